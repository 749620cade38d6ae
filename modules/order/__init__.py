"""Orders: what was bought, with its items."""

from core.module import Module

from .checks import CHECKS
from .models import ORDER, ORDER_ITEM
from .service import OrderService
from .types import CreateOrder, CreateOrderItem, Order, OrderItem, OrderStatus

order = Module("order", service=OrderService, entities=[ORDER, ORDER_ITEM], checks=CHECKS)

__all__ = [
    "ORDER",
    "ORDER_ITEM",
    "CreateOrder",
    "CreateOrderItem",
    "Order",
    "OrderItem",
    "OrderService",
    "OrderStatus",
    "order",
]
