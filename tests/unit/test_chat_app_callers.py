"""Who calls the chat application: the verified subject, and nobody else."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from lambdas.core.identity import Owner
from tests.builders import (
    ANA,
    a_chat_body,
    a_request_context,
)
from tests.chat_app import CONTEXT, ROOT, App, is_openai_error


@pytest.mark.parametrize(
    "context",
    [
        None,
        b"",
        b"null",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'"ana"',
        b"[]",
        {},
        {"authorizer": None},
        {"authorizer": {}},
        {"authorizer": {"claims": None}},
        {"authorizer": {"claims": {}}},
        {"authorizer": {"claims": {"sub": None}}},
        {"authorizer": {"claims": {"sub": ""}}},
        {"authorizer": {"claims": {"sub": ["ana"]}}},
        {"authorizer": {"claims": {"email": "ana@example.org"}}},
        {"authorizer": {"sub": "ana"}, "sub": "ana"},
    ],
    ids=lambda context: repr(context)[:50],
)
def test_a_caller_without_verified_claims_is_refused(context: Any) -> None:
    app = App()
    heard = app.post(a_chat_body(), context)
    assert heard.status == 401
    assert is_openai_error(heard)
    assert heard.error["type"] == "authentication_error"
    assert app.store.calls == []


def test_a_caller_cannot_name_themselves_in_any_other_header_or_in_the_body() -> None:
    claims = json.dumps(a_request_context()).encode()
    headers = [(b"x-amzn-lambda-context", claims), (b"x-amz-sub", b"ana"), (b"sub", b"ana")]
    body = a_chat_body(user="ana", owner="ana", kit={"session_id": "s"})
    assert App().post(body, None, headers=headers).status == 401


def test_two_request_contexts_are_refused_for_one_of_them_is_forged() -> None:
    app = App()
    own, forged = a_request_context("ana"), a_request_context("ben")
    for pair in ([own, forged], [forged, own]):
        headers = [(CONTEXT, json.dumps(context).encode()) for context in pair]
        assert app.post(a_chat_body(), None, headers=headers).status == 401
    assert app.store.calls == []


def test_turns_belong_to_the_subject_of_the_claims() -> None:
    app = App()
    reply = app.post(a_chat_body(), a_request_context("ben")).json
    assert app.store.find(ANA, reply["id"]) is None
    assert app.store.find(Owner("ben"), reply["id"]) is not None


def owners_made(path: Path) -> list[str]:
    """How a file makes an Owner: by the class itself, or by one of its class methods."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return [name for name in map(called, calls) if name.partition(".")[0] == "Owner"]


def called(call: ast.Call) -> str:
    return ast.unparse(call.func)


def test_an_owner_is_made_from_verified_claims_at_the_edge_and_nowhere_else() -> None:
    paths = {path.relative_to(ROOT).as_posix(): path for path in (ROOT / "lambdas").rglob("*.py")}
    made = {name: owners_made(path) for name, path in paths.items()}
    assert {name: owners for name, owners in made.items() if owners} == {
        "lambdas/functions/http.py": ["Owner.from_claims"]
    }
