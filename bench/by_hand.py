"""The floor of the graphs: what somebody would write by hand against these tables, in one statement and in five."""

from collections import defaultdict
from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row

Rows = list[dict[str, Any]]

TIMES: LiteralString = """'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'"""


def instant(column: LiteralString) -> LiteralString:
    """Return the column as an instant in JSON, under its own name."""
    name = column.rpartition(".")[2]
    return f"replace(to_char(timezone('UTC', {column}), {TIMES}), '.000000Z', 'Z') AS {name}"


def instants(table: LiteralString) -> LiteralString:
    """Return the three instants that every table has."""
    return ", ".join([instant(f"{table}.created_at"), instant(f"{table}.updated_at"), instant(f"{table}.deleted_at")])


# `OFFSET 0` keeps PostgreSQL from joining whole tables to a page of them, which is slower where they are small.
GRAPH: LiteralString = f"""
SELECT coalesce(json_agg(row_to_json(shown) ORDER BY b.id), '[]')::text
FROM (SELECT * FROM booking WHERE deleted_at IS NULL ORDER BY id LIMIT 100) b
LEFT JOIN LATERAL (
    SELECT row_to_json(one) AS it FROM (
        SELECT s.id, s.name, s.email, s.phone, s.bio, s.avatar_url, s.timezone, s.is_active, s.metadata, {instants("s")}
        FROM booking_staff s WHERE s.id = b.staff_id AND s.deleted_at IS NULL OFFSET 0) one) staff ON true
LEFT JOIN LATERAL (
    SELECT row_to_json(one) AS it FROM (
        SELECT c.id, c.email, c.first_name, c.last_name, c.phone, c.has_account, c.metadata, {instants("c")}
        FROM link_booking_customer l JOIN customer c ON c.id = l.customer_id AND c.deleted_at IS NULL
        WHERE l.booking_id = b.id AND l.deleted_at IS NULL OFFSET 0) one) customer ON true
LEFT JOIN LATERAL (
    SELECT row_to_json(one) AS it FROM (
        SELECT o.id, o.display_id, o.status, o.currency_code, o.email, o.total, o.metadata, {instants("o")}, (
            SELECT coalesce(json_agg(row_to_json(item) ORDER BY item.id), '[]') FROM (
                SELECT i.id, i.order_id, i.title, i.quantity, i.unit_price, i.total, i.metadata, {instants("i")}
                FROM order_item i WHERE i.order_id = o.id AND i.deleted_at IS NULL) item) AS items
        FROM link_booking_order l JOIN "order" o ON o.id = l.order_id AND o.deleted_at IS NULL
        WHERE l.booking_id = b.id AND l.deleted_at IS NULL OFFSET 0) one) ordered ON true
CROSS JOIN LATERAL (
    SELECT b.id, b.display_id, b.staff_id, b.service_id, b.customer_id, {instant("b.start_at")}, {instant("b.end_at")},
        {instant("b.claimed_until")}, b.status, {instant("b.hold_expires_at")}, b.service_name, b.price_amount,
        b.currency_code, b.deposit_amount, b.payment_mode, b.amount_paid, b.customer_email, b.customer_phone,
        b.customer_name, b.customer_timezone, b.notes, b.internal_notes, {instant("b.confirmed_at")},
        {instant("b.cancelled_at")}, b.cancel_reason, {instant("b.completed_at")}, b.version, b.token_version,
        b.metadata, {instants("b")}, staff.it AS staff, customer.it AS customer, ordered.it AS "order") shown"""

BOOKINGS: LiteralString = "SELECT * FROM booking WHERE deleted_at IS NULL ORDER BY id LIMIT 100"
STAFF: LiteralString = "SELECT * FROM booking_staff WHERE id = ANY(%s) AND deleted_at IS NULL"
CUSTOMERS: LiteralString = """
SELECT l.booking_id, c.* FROM link_booking_customer l JOIN customer c ON c.id = l.customer_id AND c.deleted_at IS NULL
WHERE l.booking_id = ANY(%s) AND l.deleted_at IS NULL"""
ORDERS: LiteralString = """
SELECT l.booking_id, o.* FROM link_booking_order l JOIN "order" o ON o.id = l.order_id AND o.deleted_at IS NULL
WHERE l.booking_id = ANY(%s) AND l.deleted_at IS NULL"""
ITEMS: LiteralString = "SELECT * FROM order_item WHERE order_id = ANY(%s) AND deleted_at IS NULL ORDER BY id"


async def one_statement(connection: psycopg.AsyncConnection[Any]) -> bytes:
    """Return 100 bookings as JSON."""
    [(text,)] = await (await connection.execute(GRAPH)).fetchall()
    return f'{{"data":{text},"count":null}}'.encode()


async def five_statements(connection: psycopg.AsyncConnection[Any]) -> Rows:
    """Return 100 bookings as dicts, put together from batches."""

    async def rows(query: LiteralString, *given: Any) -> Rows:
        cursor = connection.cursor(row_factory=dict_row)
        return await (await cursor.execute(query, given)).fetchall()

    bookings = await rows(BOOKINGS)
    ids = [booking["id"] for booking in bookings]
    staff = {one["id"]: one for one in await rows(STAFF, list({booking["staff_id"] for booking in bookings}))}
    customers = {one.pop("booking_id"): one for one in await rows(CUSTOMERS, ids)}
    orders = {one.pop("booking_id"): one for one in await rows(ORDERS, ids)}
    items: defaultdict[str, Rows] = defaultdict(list)
    for item in await rows(ITEMS, [order["id"] for order in orders.values()]):
        items[item["order_id"]].append(item)
    for order in orders.values():
        order["items"] = items[order["id"]]
    for booking in bookings:
        booking["staff"] = staff.get(booking["staff_id"])
        booking["customer"], booking["order"] = customers.get(booking["id"]), orders.get(booking["id"])
    return bookings
