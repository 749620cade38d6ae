"""The OpenAPI document at `/schema`: JSON, YAML and a page, all from this process alone."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar

from litestar import Response, Router
from litestar.datastructures import ResponseHeader
from litestar.openapi import OpenAPIConfig, ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin, YamlRenderPlugin
from litestar.openapi.spec import Components, OpenAPIType, Operation, Parameter, RequestBody, Schema, SecurityScheme

from core.errors import Busy, Forbidden, HoldfastError, InvalidData, NotFound, OutcomeUnknown, Unauthorized
from core.workflow import IdempotencyMismatch, RunInProgress
from modules.booking import (
    AmbiguousLocalTime,
    InPast,
    NonexistentLocalTime,
    OffGrid,
    SlotUnavailable,
    TooFarAhead,
    TooSoon,
)

from .credentials import MANAGE_TOKEN
from .errors import (
    BodyTooLarge,
    InvalidRequest,
    MethodNotAllowed,
    NoSuchAddress,
    TimezoneRequired,
    UnknownField,
    UnsupportedMediaType,
)
from .idempotency import GUEST_MIN_LENGTH, HEADER, MAX_LENGTH
from .openapi_page import OpenApiPage
from .problem import MEDIA_TYPE, Problem

COVERED_BY: list[dict[str, list[str]]] = [{"manageToken": []}, {"bearer": []}]
"""`security` of routes that need a booking's credential; either suffices."""
OPEN_TO_GUESTS: list[dict[str, list[str]]] = [{}, {"bearer": []}]
BODY_ERRORS = (UnknownField, BodyTooLarge, UnsupportedMediaType, InvalidData)
PLACED = (
    TimezoneRequired,
    NonexistentLocalTime,
    AmbiguousLocalTime,
    OffGrid,
    InPast,
    TooSoon,
    TooFarAhead,
    SlotUnavailable,
)
"""Errors of routes that choose a time."""
COVERED = (Unauthorized, Forbidden, NotFound)
"""Errors of routes that need a booking's credential."""
KEYED = (RunInProgress, IdempotencyMismatch, Busy, OutcomeUnknown)
"""Errors of routes that run a workflow."""
KEY = (
    "Makes the request repeatable: the same key, route, caller and body get the first answer again, with "
    "`Idempotency-Replayed: true`. Remembered for at least 24 hours are 2xx answers, and errors of requests that had "
    "written something. Other errors, all 409, 429 and 5xx among them, are computed anew."
)
REPLAYED = ResponseHeader(
    name="Idempotency-Replayed",
    documentation_only=True,
    description="`true` where this is the first answer again",
)

DESCRIPTION = """\
Times in requests are ISO 8601 with an offset, or wall time beside the body's `timezone` (IANA). Answers are UTC.
Money is an integer of minor units beside a lower-case `currency_code`. Unknown fields of a body, and unknown or
repeated query parameters, are refused. Errors are RFC 9457 problem documents with a stable `code`. `X-Request-ID` is
taken over if sane (1-64 of `A-Z a-z 0-9 . _ : -`), else made, and is on every answer and in every problem document.
An empty body stands for one without fields. HEAD is answered wherever GET is. `alternatives` are up to 5 free slots of
the 14 days from the start that was asked for, or from the booking's own; the asked staff member's come first.
"""


@dataclass
class Queried(Operation):
    """An operation with a query, where a parameter is left out and never null."""

    def __post_init__(self) -> None:
        """Correct what the framework takes from the types of the arguments."""
        for parameter in self.parameters or []:
            schema = parameter.schema if isinstance(parameter, Parameter) else None
            if isinstance(schema, Schema) and schema.one_of:
                schema.type, schema.one_of = OpenAPIType.STRING, None


@dataclass
class Keyed(Operation):
    """An operation that takes an idempotency key."""

    shortest_key: ClassVar[int] = 1

    def __post_init__(self) -> None:
        """Add the header, which handlers read themselves."""
        schema = Schema(type=OpenAPIType.STRING, min_length=self.shortest_key, max_length=MAX_LENGTH)
        key = Parameter(name=HEADER, param_in="header", schema=schema, description=KEY)
        self.parameters = [*(self.parameters or []), key]


@dataclass
class KeyedByGuests(Keyed):
    """One that wants no credential; without one keys are longer."""

    shortest_key: ClassVar[int] = GUEST_MIN_LENGTH


@dataclass
class KeyedOptionalBody(Keyed):
    """One whose body may be left out, too."""

    def __post_init__(self) -> None:
        """Correct what the framework takes for granted."""
        super().__post_init__()
        if isinstance(self.request_body, RequestBody):
            self.request_body.required = False


def refusals(*errors: type[HoldfastError]) -> Mapping[int, ResponseSpec]:
    """Return the documentation of the errors that a route answers, by status."""
    codes: dict[int, list[str]] = defaultdict(list)
    for error in (InvalidRequest, MethodNotAllowed, *errors, HoldfastError):
        fact = (error.__doc__ or "").splitlines()[0].partition(";")[0]
        codes[error.status].append(f"`{error.code}`: {fact.rstrip('.')}.")
    codes[HoldfastError.status] = ["`internal_error`: Something went wrong here."]
    return {
        status: ResponseSpec(
            Problem,
            generate_examples=False,
            description=f"{HTTPStatus(status).phrase}. " + " ".join(texts),
            media_type=MEDIA_TYPE,
        )
        for status, texts in sorted(codes.items())
    }


async def _no_page(response: Response[Any]) -> Response[Any]:
    """Answer with a problem document where the framework has a page of its own."""
    if response.status_code == NoSuchAddress.status:
        raise NoSuchAddress
    return response


def openapi_config(title: str, version: str) -> OpenAPIConfig:
    """Return what the document says of the whole API and how it is served."""
    return OpenAPIConfig(
        title=title,
        version=version,
        description=DESCRIPTION,
        openapi_router=Router(
            "/schema", route_handlers=[], include_in_schema=False, dto=None, return_dto=None, after_request=_no_page
        ),
        use_handler_docstrings=True,
        render_plugins=[OpenApiPage(), JsonRenderPlugin(), YamlRenderPlugin(path="/openapi.yaml")],
        components=Components(
            security_schemes={
                "manageToken": SecurityScheme(
                    type="apiKey",
                    name=MANAGE_TOKEN,
                    security_scheme_in="header",
                    description="The `manage_token` that a guest gets with the hold.",
                ),
                "bearer": SecurityScheme(
                    type="http", scheme="bearer", description="A session token of a customer. There are none yet."
                ),
            }
        ),
    )
