"""Customers under load: each holds, confirms, moves and cancels, and asks again with its key until it is told."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from itertools import count
from uuid import uuid4

import httpx
from msgspec import Struct, field

from tests.acceptance.site import BOOKINGS, CONTACT, Shop
from tests.acceptance.slots import Document

CUSTOMERS = 8
PATIENCE_SECONDS = 30
PAUSE_SECONDS = 0.02
SLOTS_A_DAY = 48


class Answer(Struct, frozen=True):
    """One answer to one attempt; status 0 where the connection broke."""

    status: int
    code: str
    retry_after: str
    seconds: float


class Load(Struct):
    """What the customers did."""

    shop: Shop
    answers: list[Answer] = []
    told: dict[str, str] = {}
    """The status of each booking as its customer was last told."""
    numbers: "count[int]" = field(default_factory=count)
    stopping: bool = False

    @property
    def statuses(self) -> Counter[int]:
        """How often each status was answered."""
        return Counter(answer.status for answer in self.answers)

    async def reaches(self, more: int, when: Callable[[int], bool]) -> None:
        """Wait for so many more answers of a kind."""
        since = len(self.answers)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while sum(when(answer.status) for answer in self.answers[since:]) < more:  # noqa: ASYNC110, others' work
                await asyncio.sleep(PAUSE_SECONDS)

    async def customer(self) -> None:
        """Book until it is time to go."""
        while not self.stopping:
            number = next(self.numbers)
            body = {"service_id": self.shop.service.id, "start_at": self._start(2 * number)} | CONTACT
            held = await self.insist("", body, "")
            id, token = held["booking"]["id"], held["manage_token"]
            self.told[id] = "held"
            await self.insist(f"/{id}/confirm", {"payment_mode": "pay_in_store"}, token)
            self.told[id] = "confirmed"
            if number % 3 == 0:
                await self.insist(f"/{id}/reschedule", {"start_at": self._start(2 * number + 1)}, token)
            elif number % 3 == 1:
                await self.insist(f"/{id}/cancel", {}, token)
                self.told[id] = "cancelled"

    async def insist(self, path: str, body: Document, token: str) -> Document:
        """Ask with one key until there is an answer that is final; it has to be a good one."""
        key = uuid4().hex
        while True:
            answer = await self._ask(
                path, body, {"Idempotency-Key": key} | ({"X-Manage-Token": token} if token else {})
            )
            if answer is not None and answer.status_code < 500:
                assert answer.is_success, answer.text
                return answer.json()
            await asyncio.sleep(PAUSE_SECONDS)

    async def _ask(self, path: str, body: Document, headers: dict[str, str]) -> httpx.Response | None:
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            answer = await self.shop.site.http.post(BOOKINGS + path, json=body, headers=headers)
        except httpx.TransportError as error:
            self.answers.append(Answer(0, type(error).__name__, "", clock() - began))
            return None
        code = "" if answer.is_success else answer.json()["code"]
        self.answers.append(Answer(answer.status_code, code, answer.headers.get("Retry-After", ""), clock() - began))
        return answer

    def _start(self, slot: int) -> str:
        day, number = divmod(slot, SLOTS_A_DAY)
        start: datetime = self.shop.site.at(0, ahead=3 + day) + number * timedelta(minutes=30)
        return start.isoformat()


@asynccontextmanager
async def customers(shop: Shop) -> AsyncGenerator[Load]:
    """Keep the shop busy for the length of a block; in the end every customer has been told."""
    load = Load(shop)
    tasks = [asyncio.create_task(load.customer()) for _ in range(CUSTOMERS)]
    try:
        yield load
        load.stopping = True
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
