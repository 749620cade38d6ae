"""What `holdfast dev` says when the shop is open."""

import shlex

from .storefront import ShopRefused, Storefront


def welcome(name: str, url: str) -> str:
    """Say where the shop at `url` is, with commands to paste that work at this moment."""
    places = [f"{name} is open.", f"  shop     {url}/store/bookings/services", f"  OpenAPI  {url}/schema"]
    return "\n".join(["", *places, *_commands(Storefront(url)), ""])


def _commands(shop: Storefront) -> list[str]:
    try:
        found = next(shop.bookable(), None)
    except ShopRefused as error:
        return ["", error.detail]
    if found is None:
        return ["", "Nothing can be booked in the next two weeks: add services, staff and their hours."]
    service, slots = found
    slot = slots[len(slots) // 2]  # some days ahead, so that it can be pasted later
    path = f"{shop.url}/store/bookings"
    availability = f"{path}/availability?service_id={service['id']}&date={slot['start_local'][:10]}"
    hold = f'{{"service_id": "{service["id"]}", "start_at": "{slot["start_at"]}"}}'
    return [
        "",
        f"Try it ({service['name']}, {slot['start_local']}):",
        f"  curl -s {path}/services",
        f"  curl -s {shlex.quote(availability)}",
        f"  curl -s {path} -H 'Content-Type: application/json' -d {shlex.quote(hold)}",
    ]
