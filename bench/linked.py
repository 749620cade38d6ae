"""Customers, orders and their links, in bulk, for a shop that has bookings."""

from typing import LiteralString

import psycopg

BOOKINGS_PER_CUSTOMER = 10
ITEMS = 2

# Like the customers of a shop: each has come back a few times, over years.
CUSTOMERS: LiteralString = """
WITH numbered AS (
    SELECT id, row_number() OVER (ORDER BY id) - 1 AS n, count(*) OVER () / %(each)s AS many FROM booking),
made AS (
    INSERT INTO customer (id, email, first_name, last_name, phone, created_at, updated_at)
    SELECT 'cus_' || lpad(n::text, 26, '0'), 'customer' || n || '@example.com', 'Jane', 'Doe ' || n, '+1 555 ' || n,
        now(), now()
    FROM generate_series(0, (SELECT max(many) - 1 FROM numbered)) n)
INSERT INTO link_booking_customer (booking_id, customer_id, created_at, updated_at)
SELECT id, 'cus_' || lpad((n %% many)::text, 26, '0'), now(), now() FROM numbered"""

ORDERS: LiteralString = """
WITH chosen AS (SELECT id, row_number() OVER (ORDER BY id) AS n FROM booking ORDER BY id LIMIT %(count)s),
made AS (
    INSERT INTO "order" (id, status, currency_code, email, total, created_at, updated_at)
    SELECT 'order_' || lpad(n::text, 24, '0'), 'completed', 'usd', 'jane@example.com', 2500, now(), now() FROM chosen),
filled AS (
    INSERT INTO order_item (id, order_id, title, quantity, unit_price, created_at, updated_at)
    SELECT 'ordli_' || lpad((n * %(items)s + item)::text, 24, '0'), 'order_' || lpad(n::text, 24, '0'),
        'Item ' || item, 1, 1250, now(), now()
    FROM chosen, generate_series(0, %(items)s - 1) item)
INSERT INTO link_booking_order (booking_id, order_id, created_at, updated_at)
SELECT id, 'order_' || lpad(n::text, 24, '0'), now(), now() FROM chosen"""


def fill_links(url: str, orders: int) -> None:
    """Give every booking a customer, and the first of them orders with items; those that there are go."""
    with psycopg.connect(url, autocommit=True) as connection:
        with connection.transaction():
            connection.execute("SET LOCAL session_replication_role = replica")
            connection.execute("DELETE FROM link_booking_customer; DELETE FROM link_booking_order")
            connection.execute('DELETE FROM customer; DELETE FROM order_item; DELETE FROM "order"')
            connection.execute(CUSTOMERS, {"each": BOOKINGS_PER_CUSTOMER})
            connection.execute(ORDERS, {"count": orders, "items": ITEMS})
        connection.execute("VACUUM ANALYZE")
