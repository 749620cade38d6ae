"""The product service: the catalogue."""

import re
import unicodedata

import msgspec
from msgspec import UNSET

from core.errors import InvalidData
from core.module import Service
from core.repository import CheckedRepository
from core.repository.checked import W

from .models import PRODUCT
from .types import CreateProduct, Product, UpdateProduct

HANDLE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
LONGEST_HANDLE = 200


def check_product(product: Product | CreateProduct) -> None:
    """Raise `InvalidData` unless the product has a title, and a handle that can stand in an address."""
    if not product.title.strip():
        raise InvalidData("a title is needed", field="title")
    handle = product.handle
    if handle is UNSET or len(handle) > LONGEST_HANDLE or not HANDLE.fullmatch(handle):
        raise InvalidData(f"{handle!r:.80} is not a handle such as beard-oil", field="handle")


def handle_of(title: str) -> str:
    """Return the title as a handle: `Crème für Bärte` is `creme-fur-barte`."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return "-".join(re.findall(r"[a-z0-9]+", plain))[:LONGEST_HANDLE].rstrip("-")


class ProductRepository(CheckedRepository[Product, CreateProduct, UpdateProduct]):
    """Products; a new one without a handle gets one from its title."""

    def __init__(self) -> None:
        super().__init__(PRODUCT, CreateProduct, UpdateProduct, check_product)

    def prepare(self, data: W) -> W:
        """Return the Struct with its handle."""
        typed = super().prepare(data)
        if isinstance(typed, CreateProduct) and typed.handle is UNSET:
            return msgspec.structs.replace(typed, handle=handle_of(typed.title))
        return typed


class ProductService(Service):
    """The catalogue: products by handle, of which no two live ones share one."""

    products = ProductRepository()
