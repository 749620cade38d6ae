"""Fixtures of all tests: see `core/testing/plugin.py`."""

pytest_plugins = ["core.testing.plugin"]
