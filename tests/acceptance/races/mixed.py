"""A crowd that holds, confirms, cancels and moves the same bookings, all at once."""

import asyncio
import random
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from .client import Answer, Pool
from .course import Shop

CONNECTIONS = 12
QUARTERS = 96
REMEMBERED = 24
"""From so many of the latest holds a client picks one to confirm; older ones have most likely run out."""
CONFIRM = {"payment_mode": "pay_in_store", "customer_email": "guest@example.com"}
ALLOWED = {
    "hold": {(201, None), (409, "slot_unavailable")},
    "confirm": {(200, None), (409, "hold_expired"), (409, "invalid_state")},
    "cancel": {(200, None), (409, "hold_expired"), (409, "invalid_state")},
    "reschedule": {(200, None), (409, "hold_expired"), (409, "invalid_state"), (409, "slot_unavailable")},
}
WEIGHTS = {"hold": 34, "hold of anybody": 20, "confirm": 14, "cancel": 8, "reschedule": 14, "confirm and cancel": 8}


class Ticket(NamedTuple):
    """What a client needs to know of a booking, its own or another's."""

    id: str
    token: str


class Crowd:
    """Clients that share their bookings; they want the first quarter hours of the day."""

    def __init__(self, shop: Shop, pool: Pool, dice: random.Random, *, quarters: int = QUARTERS) -> None:
        self.answers: Counter[tuple[str, int, str | None]] = Counter()
        self.pairs = 0
        """How many confirm/cancel pairs met a live hold."""
        self._shop = shop
        self._pool = pool
        self._dice = dice
        self._quarters = quarters
        self._held: deque[Ticket] = deque(maxlen=REMEMBERED)
        self._confirmed: list[Ticket] = []
        self._acts: dict[str, Callable[[], Awaitable[None]]] = {
            "hold": lambda: self._hold(dice.choice(shop.staff)),
            "hold of anybody": lambda: self._hold(None),
            "confirm": self._confirm,
            "cancel": self._cancel,
            "reschedule": self._reschedule,
            "confirm and cancel": self._confirm_and_cancel,
        }

    @property
    def operations(self) -> int:
        """How many requests were answered."""
        return self.answers.total()

    async def run(self, operations: int) -> None:
        """Send so many requests, on all connections at once."""

        async def client() -> None:
            while self.operations < operations:
                [name] = self._dice.choices([*WEIGHTS], [*WEIGHTS.values()])
                await self._acts[name]()

        async with asyncio.TaskGroup() as clients:
            for _ in range(CONNECTIONS):
                clients.create_task(client())

    def unexpected(self) -> list[tuple[str, int, str | None]]:
        """Return the answers that are not in the contract."""
        return [answer for answer in self.answers if answer[1:] not in ALLOWED[answer[0]]]

    async def _hold(self, staff_id: str | None) -> None:
        body = {"service_id": self._dice.choice(self._shop.services), "start_at": self._any_start()}
        answer = await self._send("hold", None, body | ({"staff_id": staff_id} if staff_id else {}))
        if answer.status == 201:
            self._held.append(Ticket(answer.body["booking"]["id"], answer.body["manage_token"]))

    async def _confirm(self) -> None:
        if not self._held:
            return
        ticket = self._dice.choice(self._held)
        answer = await self._send("confirm", ticket, CONFIRM)
        if answer.status == 200:
            self._confirmed.append(ticket)

    async def _cancel(self) -> None:
        if not self._confirmed:
            return
        ticket = self._dice.choice(self._confirmed)
        await self._send("cancel", ticket, {})
        if ticket in self._confirmed:
            self._confirmed.remove(ticket)

    async def _reschedule(self) -> None:
        if not self._confirmed:
            return
        ticket = self._dice.choice(self._confirmed)
        body = {"start_at": self._any_start(), "staff_id": self._dice.choice(self._shop.staff)}
        await self._send("reschedule", ticket, body)

    async def _confirm_and_cancel(self) -> None:
        if not self._held:
            return
        ticket = self._held[-1]
        confirm, cancel = await asyncio.gather(self._send("confirm", ticket, CONFIRM), self._send("cancel", ticket, {}))
        self.pairs += 200 in (confirm.status, cancel.status)

    async def _send(self, act: str, ticket: Ticket | None, body: dict[str, Any]) -> Answer:
        async with self._pool.take(1) as [connection]:
            path = f"/{ticket.id}/{act}" if ticket else ""
            answer = await connection.post(path, body, ticket.token if ticket else None)
        self.answers[act, answer.status, answer.body.get("code")] += 1
        return answer

    def _any_start(self) -> str:
        return self._shop.at(self._dice.randrange(self._quarters)).isoformat()
