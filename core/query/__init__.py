"""Graph queries over all modules and links: one statement each."""

from .query import Graphs, Query
from .request import Nested, Page

__all__ = ["Graphs", "Nested", "Page", "Query"]
