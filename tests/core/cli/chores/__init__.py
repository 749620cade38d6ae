"""A plugin for tests of the command line: a job, and an event with subscribers that may fail.

What fails stands in files of the folder where it runs, so that every process reads the same.
"""
