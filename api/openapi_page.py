"""The rendered OpenAPI page: plain HTML made here, so that it needs no outside host and no script."""

import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any, cast

from litestar import Request
from litestar.openapi.plugins import OpenAPIRenderPlugin

Node = Mapping[str, Any]

STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.5rem; }
code, pre { font: 13px/1.45 ui-monospace, monospace; } pre { overflow-x: auto; margin: 0; }
details { border: 1px solid var(--line); border-radius: 6px; margin: .5rem 0; padding: .5rem .75rem; }
details > :not(summary) { margin-left: 1rem; } summary { cursor: pointer; }
table { border-collapse: collapse; margin: .5rem 0 1rem; width: calc(100% - 1rem); }
th, td { border-top: 1px solid var(--line); padding: .25rem .75rem .25rem 0; text-align: left; vertical-align: top; }
.verb { display: inline-block; min-width: 4rem; font-weight: 700; }
.lead { white-space: pre-line; }
"""


class OpenApiPage(OpenAPIRenderPlugin):
    """Serves `/schema`."""

    def __init__(self) -> None:
        super().__init__(path="/", favicon="")

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """Return the page."""
        title = escape(f"{openapi_schema['info']['title']} {openapi_schema['info']['version']}")
        body = "".join([*_operations(openapi_schema["paths"]), *_schemas(openapi_schema["components"]["schemas"])])
        return (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
            f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head><body>'
            f'<h1>{title}</h1><p class="lead">{escape(openapi_schema["info"].get("description", ""))}</p>'
            '<p><a href="/schema/openapi.json">openapi.json</a> <a href="/schema/openapi.yaml">openapi.yaml</a></p>'
            f"{body}</body></html>"
        ).encode()


def _operations(paths: Mapping[str, Mapping[str, Node]]) -> Iterator[str]:
    yield "<h2>Routes</h2>"
    for path, item in paths.items():
        for verb, operation in item.items():
            yield (
                f'<details id="{escape(operation["operationId"])}"><summary><span class="verb">{verb.upper()}</span> '
                f"<code>{escape(path)}</code> {escape(operation.get('summary', ''))}</summary>"
                f'<p class="lead">{escape(operation.get("description", ""))}</p>'
                f"{_credentials(operation.get('security', []))}{_parameters(operation.get('parameters', []))}"
                f"{_body(operation.get('requestBody'))}{_responses(operation['responses'])}</details>"
            )


def _credentials(security: Sequence[Node]) -> str:
    names = [" and ".join(one) or "none" for one in security]
    return f"<p>Credential: {escape(' or '.join(names))}</p>" if names else ""


def _parameters(parameters: Sequence[Node]) -> str:
    rows = [
        (f"{one['name']}{' *' if one.get('required') else ''}", one["in"], one.get("description", ""))
        for one in parameters
    ]
    return _table(("parameter", "in", ""), rows) if rows else ""


def _body(body: Node | None) -> str:
    if body is None:
        return ""
    return f"<p>Body: {', '.join(_type(content['schema']) for content in body['content'].values())}</p>"


def _responses(responses: Mapping[str, Node]) -> str:
    rows = [(status, _answers(one), one["description"]) for status, one in sorted(responses.items())]
    return _table(("status", "answer", ""), rows)


def _answers(response: Node) -> str:
    contents = cast("Mapping[str, Node]", response.get("content") or {})
    return " ".join(_plain(content["schema"]) for content in contents.values())


def _schemas(schemas: Mapping[str, Node]) -> Iterator[str]:
    yield "<h2>Schemas</h2>"
    for name, schema in schemas.items():
        yield (
            f'<details id="{escape(name)}"><summary><code>{escape(name)}</code></summary>'
            f"<pre>{escape(json.dumps(schema, indent=2))}</pre></details>"
        )


def _type(schema: Node) -> str:
    name = _plain(schema)
    return f'<a href="#{escape(name)}"><code>{escape(name)}</code></a>' if "$ref" in schema else escape(name)


def _plain(schema: Node) -> str:
    return cast("str", schema.get("$ref", schema.get("type", ""))).rpartition("/")[2]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{''.join(f'<th>{escape(cell)}</th>' for cell in head)}</tr>{lines}</table>"
