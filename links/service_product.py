"""A service and the product that the catalogue shows for it."""

from core.link import define_link
from modules.booking import SERVICE
from modules.product import PRODUCT

service_product = define_link(SERVICE, PRODUCT)
