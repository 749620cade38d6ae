"""A plugin for worker processes: what `jobs.py` has done in the background."""
