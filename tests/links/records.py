"""What the links of the shop relate: a few records of every module."""

from msgspec import Struct

from core.container import Scope
from modules.booking import Booking, Service
from modules.customer import CreateCustomer, Customer, CustomerService
from modules.order import CreateOrder, CreateOrderItem, Order, OrderService
from modules.product import CreateProduct, Product, ProductService
from tests.modules.booking.shop import at, hold, open_shop


class Records(Struct, frozen=True):
    """Two of each, but one service."""

    service: Service
    bookings: list[Booking]
    customers: list[Customer]
    orders: list[Order]
    products: list[Product]


async def make_records(scope: Scope) -> Records:
    """Make them; nothing is linked yet."""
    shop = await open_shop(scope)
    bookings = [await hold(scope, shop, at(10)), await hold(scope, shop, at(12), shop.bob)]
    async with scope.transaction():
        customers = await scope.resolve(CustomerService).customers.create(
            [CreateCustomer(email=f"{name}@example.com", first_name=name.title()) for name in ("kim", "lee")]
        )
        orders = await scope.resolve(OrderService).create_orders(
            [
                CreateOrder(currency_code="usd", items=[CreateOrderItem(title="Haircut", unit_price=price)])
                for price in (2500, 3000)
            ]
        )
        products = await scope.resolve(ProductService).products.create(
            [CreateProduct(title=title) for title in ("Haircut", "Beard trim")]
        )
    return Records(shop.haircut, bookings, customers, orders, products)
