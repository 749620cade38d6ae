"""Links between modules: definitions, the service that makes and dismisses pairs, and steps that do so."""

from .definition import Link, LinkSide, define_link
from .pairs import LinkedPair, LinkTaken, Pair, Pairs
from .registry import LinkRegistry
from .service import Links
from .steps import LinkPairs, create_links, dismiss_links

__all__ = [
    "Link",
    "LinkPairs",
    "LinkRegistry",
    "LinkSide",
    "LinkTaken",
    "LinkedPair",
    "Links",
    "Pair",
    "Pairs",
    "create_links",
    "define_link",
    "dismiss_links",
]
