"""The command line: `holdfast`."""

from .group import main

__all__ = ["main"]
