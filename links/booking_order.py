"""A booking and the order that it is paid by."""

from core.link import define_link
from modules.booking import BOOKING
from modules.order import ORDER

booking_order = define_link(BOOKING, ORDER)
