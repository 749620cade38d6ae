import os
from pathlib import Path

from core.event import Event, subscriber
from core.workflow import StepContext, step
from modules.booking import BookingEvent

DRIVERS = Path("drivers")
"""The processes that heard of a hold, and of which; in the folder where they work."""


def note(line: str) -> None:
    with DRIVERS.open("a") as file:
        file.write(f"{line}\n")


@step("note-driver", external=True)
async def note_driver(ctx: StepContext, booking_id: str) -> None:
    note(f"{os.getpid()} {booking_id}")


@subscriber("booking.held", id="note-driver")
async def hear_of_hold(event: Event[BookingEvent]) -> None:
    await note_driver(event.data.booking_id)
