"""Whose booking it is: the same as the booking's `customer_id`, and written in one step with it."""

from typing import LiteralString

from core.integrity import query_check
from core.link import define_link
from modules.booking import BOOKING
from modules.customer import CUSTOMER

UNLIKE: LiteralString = """
WITH found AS MATERIALIZED (
    SELECT booking.id, coalesce(booking.customer_id, 'nobody') AS mine, coalesce(pair.customer_id, 'nobody') AS linked
    FROM booking LEFT JOIN link_booking_customer pair ON pair.booking_id = booking.id AND pair.deleted_at IS NULL
    WHERE booking.customer_id IS DISTINCT FROM pair.customer_id
)
SELECT id, mine, linked FROM found ORDER BY id LIMIT %(most)s"""

booking_customer = define_link(
    BOOKING.many(),
    CUSTOMER,
    checks={
        "a booking is linked to its customer": query_check(UNLIKE, "booking {} is of {} and linked to {}"),
    },
)
