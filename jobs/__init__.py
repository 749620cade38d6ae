"""Scheduled jobs and subscribers, one file each, and how workers hear of what there is to do."""
