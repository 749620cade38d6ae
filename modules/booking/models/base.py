"""What the tables of this module share."""

from core.db import TableBase, module_metadata


class Base(TableBase):
    """Base of the booking tables."""

    __abstract__ = True
    metadata = module_metadata()
