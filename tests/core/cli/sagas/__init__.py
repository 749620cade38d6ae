"""A plugin for tests of the command line: sagas that wait, change their minds and resist being undone.

What they are to do stands in files of the folder where they run, so that every process reads the same.
"""
