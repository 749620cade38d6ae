"""Ids: a prefix that names the kind and a ULID that sorts by time of making (https://github.com/ulid/spec)."""

from ulid import ULID


def new_id(prefix: str) -> str:
    """Return e.g. `book_01KAP3X2V9A1M8E6Q7T4R5W0YZ`."""
    return f"{prefix}_{ULID()}"
