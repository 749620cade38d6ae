"""Workflows: one file per workflow; the only place where modules act together."""
