"""Products: what the catalogue shows."""

from core.module import Module

from .models import PRODUCT
from .service import ProductService
from .types import CreateProduct, Product, ProductStatus, UpdateProduct

product = Module("product", service=ProductService, entities=[PRODUCT])

__all__ = ["PRODUCT", "CreateProduct", "Product", "ProductService", "ProductStatus", "UpdateProduct", "product"]
