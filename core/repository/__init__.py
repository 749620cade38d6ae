"""Generated reads and writes of an entity, typed by its Structs."""

from .checked import CheckedRepository
from .filters import Filters
from .reader import Reader
from .repository import NoWrites, Repository

__all__ = ["CheckedRepository", "Filters", "NoWrites", "Reader", "Repository"]
