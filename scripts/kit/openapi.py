"""`kit openapi`: the API as one OpenAPI 3.1 document, made from the types that the code uses."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from scripts.kit.routes import Operation, Parameter

Json = dict[str, Any]

_SCHEMAS = "#/components/schemas/"
_FAULTS = "#/components/responses/"
_REQUEST_ID = {"x-request-id": {"$ref": "#/components/headers/RequestId"}}
_ABOUT = (
    "OpenAI-compatible; unmodified clients work. What is ours sits in the object `kit`.\n\n"
    "Body fields that are not listed are ignored, but those in `kit` are refused."
)
_LOCAL = "http://localhost:4566/_aws/execute-api/{api}/local"
_AWS = "https://{api}.execute-api.{region}.amazonaws.com/{stage}"
_HEADERS: Json = {
    "RequestId": {
        "description": "Names this call in our logs",
        "required": True,
        "schema": {"type": "string"},
    },
    "RetryAfter": {"description": "Seconds to wait", "schema": {"type": "integer"}},
}
# The schema of one event: OpenAPI 3.1 leaves it open, 3.2 says so.
_EVENT: Json = {
    "description": "Each event is one `data:` line: a chunk, or an error, which ends the stream;"
    " the last is `[DONE]`. Comment lines keep the connection awake.",
    "type": "object",
    "required": ["data"],
    "properties": {
        "data": {
            "anyOf": [
                {"const": "[DONE]"},
                {
                    "type": "string",
                    "contentMediaType": "application/json",
                    "contentSchema": {
                        "anyOf": [
                            {"$ref": f"{_SCHEMAS}ChunkObject"},
                            {"$ref": f"{_SCHEMAS}ErrorObject"},
                        ]
                    },
                },
            ]
        }
    },
}


@click.command()
def openapi() -> None:
    """Print the OpenAPI document; docs/openapi.json holds the same."""
    click.echo(text(), nl=False)


def text() -> str:
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def document() -> Json:
    """Describe every route of `ROUTES`, with the schemas of all they take and give."""
    from scripts.kit.routes import FAULTS, ROUTES

    paths: dict[str, Json] = {}
    for operation in ROUTES:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "LLM App Kit", "version": "1", "description": _ABOUT},
        "servers": [_server(_LOCAL, api="local"), _server(_AWS, api="a1b2c3d4e5", stage="dev")],
        "security": [{"idToken": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "idToken": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "An ID token of the stage's Cognito user pool: `kit login`",
                }
            },
            "headers": _HEADERS,
            "responses": {name: _fault(status) for status, (name, _) in FAULTS.items()},
            "schemas": _schemas(ROUTES),
        },
    }


def _server(url: str, **defaults: str) -> Json:
    names = {"region": "us-east-1", **defaults}
    return {
        "url": url,
        "variables": {n: {"default": v} for n, v in names.items() if f"{{{n}}}" in url},
    }


def _operation(operation: "Operation") -> Json:
    from scripts.kit.routes import FAULTS

    faults = {str(s): {"$ref": f"{_FAULTS}{FAULTS[s][0]}"} for s in sorted(operation.faults)}
    return {
        "operationId": operation.id,
        "summary": operation.summary,
        **({"security": []} if operation.is_public else {}),
        **(
            {"parameters": [_parameter(p) for p in operation.parameters]}
            if operation.parameters
            else {}
        ),
        **({"requestBody": _body(operation)} if operation.body else {}),
        "responses": {"200": _reply(operation), **faults},
    }


def _parameter(parameter: "Parameter") -> Json:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.place == "path",
        "description": parameter.description,
        "schema": parameter.schema,
        "example": parameter.example,
    }


def _body(operation: "Operation") -> Json:
    assert operation.body is not None  # noqa: S101 asked for only where there is one
    examples = {name: {"value": value} for name, value in operation.body_examples}
    content = {"schema": _reference(operation.body), "examples": examples}
    return {"required": True, "content": {"application/json": content}}


def _reply(operation: "Operation") -> Json:
    content: Json = {
        "application/json": {"schema": _reference(operation.reply), "example": operation.example}
    }
    if operation.streams:
        content["text/event-stream"] = {"schema": _EVENT}
    return {"description": operation.summary, "headers": _REQUEST_ID, "content": content}


def _fault(status: int) -> Json:
    from lambdas.core.api_objects import ErrorObject
    from scripts.kit.routes import FAULTS, WITH_RETRY_AFTER

    again = {"retry-after": {"$ref": "#/components/headers/RetryAfter"}}
    return {
        "description": FAULTS[status][1],
        "headers": {**_REQUEST_ID, **(again if status in WITH_RETRY_AFTER else {})},
        "content": {"application/json": {"schema": _reference(ErrorObject)}},
    }


def _reference(kind: type) -> Json:
    return {"$ref": f"{_SCHEMAS}{kind.__name__}"}


def _schemas(routes: "Iterable[Operation]") -> Json:
    """Schemas of everything that a route takes (as it is validated) or gives (as it is made)."""
    from pydantic import TypeAdapter
    from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode

    from lambdas.core.api_objects import ChunkObject, ErrorObject

    class Untitled(GenerateJsonSchema):
        def field_title_should_be_set(self, schema: Any) -> bool:
            return False

    taken = [route.body for route in routes if route.body]
    given = [*(route.reply for route in routes), ChunkObject, ErrorObject]
    inputs: list[tuple[str, JsonSchemaMode, TypeAdapter[Any]]] = [
        *((kind.__name__, "validation", TypeAdapter(kind)) for kind in taken),
        *((kind.__name__, "serialization", TypeAdapter(kind)) for kind in given),
    ]
    template = f"{_SCHEMAS}{{model}}"
    _, shared = TypeAdapter.json_schemas(inputs, ref_template=template, schema_generator=Untitled)
    found: Json = shared["$defs"]
    return {name: _untitled(schema) for name, schema in sorted(found.items())}


def _untitled(schema: Json) -> Json:
    """The title only repeats the name under which the schema stands."""
    return {key: value for key, value in schema.items() if key != "title"}
