"""How a handler's `data` is read: strictly, as the Struct that its annotation names."""

from collections.abc import Generator
from typing import Any, ClassVar, cast

import msgspec
from litestar.dto import AbstractDTO
from litestar.dto.data_structures import DTOFieldDefinition
from litestar.openapi.spec import Reference, Schema
from litestar.typing import FieldDefinition

from . import strict_json
from .credentials import Connection
from .errors import UnsupportedMediaType


class JsonBody(AbstractDTO[msgspec.Struct]):
    """The application's way to read bodies, so that no handler can forget to be strict.

    An empty body is not read: it stands for the handler's default, where there is one.
    """

    kinds: ClassVar[dict[str, type[msgspec.Struct]]] = {}

    def decode_bytes(self, value: bytes) -> msgspec.Struct:
        """Read one body."""
        connection = cast("Connection", self.asgi_connection)
        require_json(connection.headers.get("content-type", ""))
        return strict_json.decode(value, self.kinds[connection.route_handler.handler_id])

    @classmethod
    def create_for_field_definition(
        cls, field_definition: FieldDefinition, handler_id: str, backend_cls: Any = None
    ) -> None:
        """Remember at start-up what a handler takes; `| None` stands for no body, not for the JSON null."""
        cls.kinds[handler_id] = next(kind for kind in _members(field_definition) if issubclass(kind, msgspec.Struct))

    @classmethod
    def create_openapi_schema(
        cls, field_definition: FieldDefinition, handler_id: str, schema_creator: Any
    ) -> Reference | Schema:
        """Document the Struct, that it takes no other fields, and in which ways they go together (`any_of`)."""
        reference = schema_creator.for_field_definition(FieldDefinition.from_annotation(cls.kinds[handler_id]))
        schema: Schema = schema_creator.schema_registry.from_reference(reference).schema
        schema.additional_properties = False
        schema.any_of = getattr(cls.kinds[handler_id], "any_of", None)
        return reference

    @classmethod
    def generate_field_definitions(cls, model_type: type[Any]) -> Generator[DTOFieldDefinition]:
        """Take the Struct as it is: there is nothing to transfer field by field."""
        yield from ()

    @classmethod
    def detect_nested_field(cls, field_definition: FieldDefinition) -> bool:
        """Take the Struct as it is."""
        return False


def _members(field_definition: FieldDefinition) -> tuple[type[Any], ...]:
    return field_definition.args if field_definition.is_optional else (field_definition.annotation,)


def require_json(content_type: str) -> None:
    """Raise `UnsupportedMediaType` for a body that does not say that it is JSON."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise UnsupportedMediaType(
            f"the body is {media_type!r}: send `Content-Type: application/json`" if media_type else ""
        )
