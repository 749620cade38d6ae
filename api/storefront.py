"""A storefront's view of a running shop: a small HTTP client, for `holdfast smoke` and `holdfast dev`."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from core.errors import HoldfastError

TIMEOUT_SECONDS = 15
DAYS_AHEAD = 14

Document = dict[str, Any]


class ShopRefused(HoldfastError):
    """The shop answered with a problem, or not at all."""

    code = "shop_refused"


class Storefront:
    """Talks to the shop at `url`; raises `ShopRefused` where it does not answer well."""

    def __init__(self, url: str) -> None:
        if not url.startswith(("http://", "https://")):
            raise ShopRefused(f"{url!r} is not an http address")
        self.url = url.rstrip("/")

    def get(self, path: str, query: Mapping[str, object] | None = None, *, token: str = "") -> Document:
        """GET `path`."""
        suffix = f"?{urllib.parse.urlencode(query)}" if query else ""
        return self._send("GET", path + suffix, None, {"X-Manage-Token": token})

    def post(self, path: str, body: Document, *, token: str = "", key: str = "") -> Document:
        """POST `body` as JSON."""
        return self._send("POST", path, body, {"X-Manage-Token": token, "Idempotency-Key": key})

    def free_slots(self, service: Document) -> list[Document]:
        """Return the slots that can be booked in the next two weeks."""
        today = datetime.now(UTC).date().isoformat()
        query = {"date": today, "service_id": service["id"], "days": DAYS_AHEAD}
        slots = self.get("/store/bookings/availability", query)["slots"]
        return [slot for slot in slots if slot["available"]]

    def bookable(self) -> Iterator[tuple[Document, list[Document]]]:
        """Yield the services that can be paid in the store and have free slots, with these."""
        for service in self.get("/store/bookings/services")["services"]:
            if "pay_in_store" in service["payment_modes_allowed"] and (slots := self.free_slots(service)):
                yield service, slots

    def _send(self, method: str, path: str, body: Document | None, headers: Mapping[str, str]) -> Document:
        request = urllib.request.Request(self.url + path, method=method)  # noqa: S310, checked when it was given
        request.add_header("Accept", "application/json")
        for name, value in headers.items():
            if value:
                request.add_header(name, value)
        if body is not None:
            request.add_header("Content-Type", "application/json")
            request.data = json.dumps(body).encode()
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310, as above
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise ShopRefused(f"{method} {path}: {error.code} {_problem(error.read())}") from error
        except (urllib.error.URLError, OSError) as error:
            raise ShopRefused(f"{method} {self.url}{path}: {error}") from error


def _problem(body: bytes) -> str:
    try:
        problem = json.loads(body)
        return f"{problem['code']}: {problem['detail']}"
    except (ValueError, KeyError, TypeError):
        return body[:200].decode(errors="replace")
