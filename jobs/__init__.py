"""Scheduled jobs and subscribers: one file per job."""
