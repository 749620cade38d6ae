"""Links between modules: definitions, and the service that makes and dismisses pairs."""

from .definition import Link, LinkSide, define_link

__all__ = ["Link", "LinkSide", "define_link"]
