"""Who an order is from."""

from core.link import define_link
from modules.customer import CUSTOMER
from modules.order import ORDER

order_customer = define_link(ORDER.many(), CUSTOMER)
