"""The OpenAPI document: generated from the code's types, committed, and true to its examples."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from lambdas.core.chat_request import ChatRequest
from scripts.kit import openapi
from scripts.kit.routes import ROUTES, Operation

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.json"
DOCUMENT = openapi.document()


def validator(name: str) -> Any:
    """Checks values against a schema of the document."""
    reference = {"$ref": f"#/components/schemas/{name}"}
    return jsonschema_rs.Draft202012Validator({**reference, "components": DOCUMENT["components"]})


def references(value: Any) -> set[str]:
    if isinstance(value, list):
        return {found for item in value for found in references(item)}
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(references(item) for item in value.values()))
    return set()


def test_the_committed_document_is_the_generated_one() -> None:
    assert COMMITTED.read_text() == openapi.text(), "run: kit openapi > docs/openapi.json"


@pytest.mark.parametrize("reference", sorted(references(DOCUMENT)))
def test_what_a_reference_names_is_there(reference: str) -> None:
    value: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        value = value[step]
    assert value


@pytest.mark.parametrize("operation", ROUTES, ids=lambda operation: operation.id)
def test_the_example_of_a_reply_fits_its_schema(operation: Operation) -> None:
    validator(operation.reply.__name__).validate(operation.example)


@pytest.mark.parametrize("operation", ROUTES, ids=lambda operation: operation.id)
def test_the_examples_of_a_request_can_be_parsed(operation: Operation) -> None:
    for _, example in operation.body_examples:
        validator("ChatRequest").validate(example)
        ChatRequest.model_validate_json(json.dumps(example))


def test_every_operation_but_health_asks_for_a_token_and_can_say_that_it_is_missing() -> None:
    for path, methods in DOCUMENT["paths"].items():
        for operation in methods.values():
            is_public = operation.get("security") == []
            assert is_public == (path == "/health")
            assert is_public or "401" in operation["responses"]


def test_every_parameter_in_a_path_is_described() -> None:
    for path, methods in DOCUMENT["paths"].items():
        named = {part[1:-1] for part in path.split("/") if part.startswith("{")}
        for operation in methods.values():
            described = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"}
            assert described == named


def test_a_stop_may_be_a_text_or_a_list_of_texts() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
    chat = validator("ChatRequest")
    assert chat.is_valid({**body, "stop": "end"})
    assert chat.is_valid({**body, "stop": ["end", "fin"]})
    assert not chat.is_valid({**body, "stop": 1})
