"""Generated reads and writes of an entity, typed by its Structs."""

from .filters import Filters
from .reader import Reader
from .repository import NoWrites, Repository

__all__ = ["Filters", "NoWrites", "Reader", "Repository"]
