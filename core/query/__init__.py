"""Graph queries over all modules and links: one statement each."""

from .query import Graphs, Query
from .request import Nested, Options, Page

__all__ = ["Graphs", "Nested", "Options", "Page", "Query"]
