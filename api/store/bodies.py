"""What the store's routes take."""

import re
from typing import Annotated, ClassVar

from litestar.openapi.spec import OpenAPIType, Schema
from msgspec import Meta, Struct

from core.errors import InvalidData
from modules.booking import PaymentMode

from ..times import READABLE, WITH_OFFSET

Name = Annotated[str, Meta(min_length=1, max_length=200, extra_json_schema={"description": "One line."})]
Phone = Annotated[
    str, Meta(pattern=r"[0-9]", max_length=40, extra_json_schema={"description": "One line with a digit."})
]
Email = Annotated[str, Meta(pattern=r"^[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+$", max_length=254)]
Text = Annotated[str, Meta(max_length=2000)]
Time = Annotated[
    str,
    Meta(
        extra_json_schema={
            "pattern": READABLE,
            "description": "ISO 8601 with an offset, or without one as wall time in `timezone`.",
            "examples": ["2030-01-31T10:00:00+01:00"],
        }
    ),
]
TimeZone = Annotated[
    str, Meta(max_length=64, extra_json_schema={"description": "IANA, such as Europe/Vienna; kept with the booking."})
]
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
OFFSET_OR_ZONE = [
    Schema(properties={"start_at": Schema(pattern=WITH_OFFSET)}),
    Schema(properties={"timezone": Schema(type=OpenAPIType.STRING)}, required=["timezone"]),
]
CONTACT = ("customer_email", "customer_phone", "customer_name")


class Contact(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who comes."""

    customer_email: Email | None = None
    customer_phone: Phone | None = None
    customer_name: Name | None = None

    def __post_init__(self) -> None:
        """Refuse control characters: these texts end up in the headers of mails."""
        for name in CONTACT:
            text: str | None = getattr(self, name)
            if text is not None and CONTROL.search(text):
                raise InvalidData("control characters are not allowed", field=name)


class HoldBody(Contact, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which slot to hold, and for whom; without `staff_id` whoever is free."""

    any_of: ClassVar = OFFSET_OR_ZONE
    service_id: str
    start_at: Time
    timezone: TimeZone | None = None
    staff_id: str | None = None
    notes: Text | None = None


class ConfirmBody(Contact, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to pay; contact fields that are given replace the booking's."""

    payment_mode: PaymentMode


class CancelBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why, if one likes to say."""

    reason: Text | None = None


class RescheduleBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where to; without `staff_id` with the same staff."""

    any_of: ClassVar = OFFSET_OR_ZONE
    start_at: Time
    timezone: TimeZone | None = None
    staff_id: str | None = None
