"""`holdfast smoke`: one booking through its whole life, against a running shop."""

import secrets
from contextlib import suppress
from typing import NoReturn

import click
from rich_click import RichCommand

from .storefront import Document, ShopRefused, Storefront

CONTACT = {"customer_name": "Smoke test", "customer_email": "smoke@example.com"}


@click.command(cls=RichCommand)
@click.option("--url", default="http://127.0.0.1:9000", show_default=True, help="Where the shop is.")
def smoke(*, url: str) -> None:
    """Book, confirm, move and cancel an appointment over HTTP; exit 1 at the first thing that goes wrong."""
    shop = Storefront(url)
    service, slots = next(shop.bookable(), None) or _fail("no service that is paid in the store has a free slot")
    _say("found", f"{service['name']}: {len(slots)} free slots")
    held = slots[len(slots) // 2]  # some days ahead, so that it does not pass meanwhile
    booking, token = _hold(shop, service, held)
    path = f"/store/bookings/{booking['id']}"
    try:
        booking = shop.post(f"{path}/confirm", {"payment_mode": "pay_in_store", **CONTACT}, token=token)["booking"]
        _expect(booking, "confirmed", held)
        moved = _other_slot(slots, booking)
        booking = shop.post(f"{path}/reschedule", {"start_at": moved["start_at"]}, token=token)["booking"]
        _expect(booking, "confirmed", moved)
    except ShopRefused:
        with suppress(ShopRefused):
            shop.post(f"{path}/cancel", {}, token=token)
        raise
    booking = shop.post(f"{path}/cancel", {"reason": "smoke test"}, token=token)["booking"]
    _expect(booking, "cancelled", moved)
    if moved["start_at"] not in {slot["start_at"] for slot in shop.free_slots(service)}:
        _fail("the cancelled booking's slot is not offered again")
    _say("free again", moved["start_local"])


def _hold(shop: Storefront, service: Document, slot: Document) -> tuple[Document, str]:
    body = {"service_id": service["id"], "start_at": slot["start_at"], "staff_id": slot["staff_ids"][0]}
    answer = shop.post("/store/bookings", body, key=secrets.token_urlsafe(24))
    booking, token = answer["booking"], answer["manage_token"]
    _expect(booking, "held", slot)
    seen = shop.get(f"/store/bookings/{booking['id']}", token=token)["booking"]
    if seen["start_at"] != booking["start_at"]:
        _fail("the booking reads back differently")
    return booking, token


def _other_slot(slots: list[Document], booking: Document) -> Document:
    staff_id, start_at = booking["staff_id"], booking["start_at"]
    others = (slot for slot in reversed(slots) if slot["start_at"] != start_at and staff_id in slot["staff_ids"])
    return next(others, None) or _fail(f"{booking['staff']['name']} has no other free slot")


def _expect(booking: Document, status: str, slot: Document) -> None:
    if (booking["status"], booking["start_at"]) != (status, slot["start_at"]):
        _fail(f"expected {status} at {slot['start_at']}, got {booking['status']} at {booking['start_at']}")
    _say(status, f"{booking['start_local']} with {booking['staff']['name']}")


def _say(step: str, text: str) -> None:
    click.echo(f"{step:<12}{text}")


def _fail(text: str) -> NoReturn:
    raise ShopRefused(text)
