"""The buffered functions, called with API Gateway's events, wired to moto's table and bucket."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from lambdas.core.generation import Message, ToolCall, Usage
from lambdas.core.settings import Settings
from lambdas.core.turns import Turn
from lambdas.functions import models, sessions
from lambdas.wiring import services
from tests.builders import (
    ANA,
    BEN,
    SMALL,
    TOOLS,
    WIDE,
    a_cut_turn,
    a_rest_event,
    a_turn,
    user,
)
from tests.stores import Cloud, Stores, moto_cloud

LONG = "x" * 40_000


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        fields: dict[str, Any] = self.json["error"]
        return fields


@pytest.fixture(scope="module")
def deployed() -> Iterator[Cloud]:
    """The environment of the functions; what they have wired once is kept, as in a process."""
    with moto_cloud() as cloud, pytest.MonkeyPatch.context() as environment:
        settings = Settings(
            stage="test",
            table_name=cloud.table,
            text_bucket_name=cloud.bucket,
            models=(SMALL, TOOLS),
        )
        for name, value in settings.to_env().items():
            environment.setenv(name, value)
        services.cache_clear()
        yield cloud
        services.cache_clear()


@pytest.fixture
def cloud(deployed: Cloud) -> Cloud:
    deployed.empty()
    return deployed


@pytest.fixture
def stores(cloud: Cloud) -> Stores:
    return cloud.stores()


def call(
    method: str, path: str, *, sub: str | None = "ana", query: dict[str, str] | None = None
) -> Answer:
    """Send a request to the function that has its route."""
    function = models if path.startswith("/v1/models") else sessions
    reply = function.handler(a_rest_event(method, path, sub=sub, query=query), None)
    assert set(reply) >= {"statusCode", "body"}
    assert reply["isBase64Encoded"] is False
    headers = {k.lower(): ",".join(v) for k, v in reply["multiValueHeaders"].items()}
    assert headers["content-type"] == "application/json"
    assert headers["x-request-id"] == "r-1"
    return Answer(reply["statusCode"], headers, reply["body"])


def add(stores: Stores, turn: Turn, text: str = "hi") -> Turn:
    stores.turns.start(ANA, turn, WIDE, keep=True)
    ended = replace(turn, status="completed", finish_reason="stop", text=text, usage=Usage(9, 1))
    stores.turns.finish(ANA, ended, keep=True, tokens=1)
    return ended


# Models


@pytest.mark.usefixtures("cloud")
def test_the_models_that_are_up_are_listed() -> None:
    answer = call("GET", "/v1/models")
    assert (answer.status, answer.json["object"]) == (200, "list")
    assert [model["id"] for model in answer.json["data"]] == [SMALL, TOOLS]
    for model in answer.json["data"]:
        assert model["object"] == "model"
        assert isinstance(model["created"], int)
        assert model["owned_by"]


@pytest.mark.usefixtures("cloud")
def test_one_model_is_shown_as_it_is_listed() -> None:
    shown = call("GET", f"/v1/models/{TOOLS}").json
    assert shown == call("GET", "/v1/models").json["data"][1]
    assert shown["kit"]["tools"] is True


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize("model_id", ["gpt-4", "flan-t5-base", "..", "%20", "x" * 5000])
def test_a_model_that_is_not_up_is_404(model_id: str) -> None:
    answer = call("GET", f"/v1/models/{model_id}")
    assert (answer.status, answer.error["code"]) == (404, "model_not_found")
    assert len(answer.body) < 2_000


@pytest.mark.usefixtures("cloud")
def test_the_models_function_needs_no_client_of_aws() -> None:
    services.cache_clear()
    assert call("GET", "/v1/models").status == 200
    assert {"turns", "sessions", "chat"}.isdisjoint(vars(services()))


# Sessions


def test_sessions_are_listed_and_paged(stores: Stores) -> None:
    for number in range(3):
        add(stores, a_turn(f"t-{number}", session_id=f"s-{number}", messages=(user("hello"),)))
    page = call("GET", "/v1/sessions", query={"limit": "2"}).json
    assert [session["id"] for session in page["data"]] == ["s-2", "s-1"]
    assert (page["first_id"], page["last_id"], page["has_more"]) == ("s-2", "s-1", True)
    assert page["data"][0] | {"created_at": 0, "updated_at": 0} == {
        "id": "s-2",
        "object": "session",
        "title": "hello",
        "created_at": 0,
        "updated_at": 0,
        "turn_count": 1,
    }
    rest = call("GET", "/v1/sessions", query={"limit": "2", "after": page["last_id"]}).json
    assert [session["id"] for session in rest["data"]] == ["s-0"]
    assert rest["has_more"] is False


@pytest.mark.usefixtures("cloud")
def test_a_user_without_sessions_gets_an_empty_page() -> None:
    page = call("GET", "/v1/sessions").json
    assert page == {
        "object": "list",
        "data": [],
        "first_id": None,
        "last_id": None,
        "has_more": False,
    }


@pytest.mark.parametrize(
    "limit",
    ["0", "101", "-1", "1.5", "ten", "", " 5", "٣", "0000000500", "000000005" + "9" * 9000],
    ids=lambda limit: limit[:12],
)
def test_a_limit_out_of_range_is_refused(stores: Stores, limit: str) -> None:
    add(stores, a_turn())
    for path in ("/v1/sessions", "/v1/sessions/s"):
        answer = call("GET", path, query={"limit": limit})
        assert (answer.status, answer.error["param"]) == (400, "limit")
        assert len(answer.body) < 1_000


@pytest.mark.parametrize("limit", ["1", "100"])
def test_a_limit_in_range_is_taken(stores: Stores, limit: str) -> None:
    add(stores, a_turn())
    assert len(call("GET", "/v1/sessions", query={"limit": limit}).json["data"]) == 1


@pytest.mark.parametrize("after", ["nobody", "s#T#00000000", "a b", "x" * 3000, "\x00"], ids=repr)
def test_a_page_after_nothing_is_404(stores: Stores, after: str) -> None:
    add(stores, a_turn())
    for path in ("/v1/sessions", "/v1/sessions/s"):
        answer = call("GET", path, query={"after": after})
        assert (answer.status, answer.error["param"]) == (404, "after")


# One session


def test_a_session_is_shown_with_its_turns_in_order(stores: Stores) -> None:
    asked = (Message("tool", "sunny", tool_call_id="c-1"), user("and tomorrow?"))
    add(stores, a_turn("t-0", system="Be brief."))
    second = a_turn("t-1", position=1, messages=asked)
    stores.turns.start(ANA, second, WIDE, keep=True)
    call_made = ToolCall("c-2", "weather", "{}")
    done = replace(second, status="completed", finish_reason="tool_calls", tool_calls=(call_made,))
    stores.turns.finish(ANA, done, keep=True, tokens=1)
    shown = call("GET", "/v1/sessions/s").json
    assert (shown["id"], shown["object"], shown["turn_count"]) == ("s", "session", 2)
    first, last = shown["turns"]["data"]
    assert (first["id"], first["system"], first["status"]) == ("t-0", "Be brief.", "completed")
    assert first["messages"] == [{"role": "user", "content": "hello"}]
    assert first["reply"] == {"role": "assistant", "content": "hi"}
    assert first["usage"] == {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}
    assert last["messages"][0] == {"role": "tool", "content": "sunny", "tool_call_id": "c-1"}
    function = {"name": "weather", "arguments": "{}"}
    assert last["reply"]["tool_calls"] == [{"id": "c-2", "type": "function", "function": function}]
    assert last["finish_reason"] == "tool_calls"


def test_the_turns_of_a_session_are_paged(stores: Stores) -> None:
    for position in range(3):
        add(stores, a_turn(f"t-{position}", position=position))
    page = call("GET", "/v1/sessions/s", query={"limit": "2"}).json["turns"]
    assert ([t["id"] for t in page["data"]], page["has_more"]) == (["t-0", "t-1"], True)
    rest = call("GET", "/v1/sessions/s", query={"after": page["last_id"]}).json["turns"]
    assert ([t["id"] for t in rest["data"]], rest["has_more"]) == (["t-2"], False)


def test_a_page_after_a_turn_of_another_session_is_404(stores: Stores) -> None:
    add(stores, a_turn("t-0"))
    add(stores, a_turn("t-1", session_id="other"))
    assert call("GET", "/v1/sessions/s", query={"after": "t-1"}).status == 404


def test_a_turn_whose_function_died_reads_interrupted(stores: Stores) -> None:
    turn = a_cut_turn()
    stores.turns.start(ANA, turn, WIDE, keep=True)
    stores.turns.save(ANA, replace(turn, text="half"))
    (shown,) = call("GET", "/v1/sessions/s").json["turns"]["data"]
    assert (shown["status"], shown["reply"]["content"]) == ("interrupted", "half")


def test_long_texts_are_shown_whole(stores: Stores) -> None:
    add(stores, a_turn(messages=(user(LONG),)), LONG)
    (shown,) = call("GET", "/v1/sessions/s").json["turns"]["data"]
    assert (shown["messages"][0]["content"], shown["reply"]["content"]) == (LONG, LONG)


# Deleting a session


def test_a_session_is_deleted_once(stores: Stores) -> None:
    add(stores, a_turn(messages=(user(LONG),)), LONG)
    answer = call("DELETE", "/v1/sessions/s")
    assert answer.status == 200
    assert answer.json == {"id": "s", "object": "session.deleted", "deleted": True}
    assert stores.leftovers() == []
    assert call("DELETE", "/v1/sessions/s").status == 404
    assert call("GET", "/v1/sessions/s").status == 404


# Stopping a completion


def test_a_running_completion_is_asked_to_stop(stores: Stores) -> None:
    turn = a_turn("chatcmpl-1")
    stores.turns.start(ANA, turn, WIDE, keep=True)
    answer = call("DELETE", "/v1/chat/completions/chatcmpl-1")
    assert answer.status == 200
    assert answer.json["id"] == "chatcmpl-1"
    assert answer.json["deleted"] is False
    assert answer.json["kit"] == {"status": "running"}
    assert stores.turns.stop_requested(ANA, "chatcmpl-1")


def test_a_completion_that_is_done_stays_done(stores: Stores) -> None:
    add(stores, a_turn("chatcmpl-1"))
    answer = call("DELETE", "/v1/chat/completions/chatcmpl-1")
    assert answer.json["kit"] == {"status": "completed"}


# Whose it is


@pytest.mark.parametrize(
    ("method", "route"),
    [
        ("GET", "/v1/sessions/{}"),
        ("DELETE", "/v1/sessions/{}"),
        ("DELETE", "/v1/chat/completions/{}"),
    ],
)
@pytest.mark.parametrize("strange", ["nobody", "x" * 64, "x" * 65, "x" * 3000, "a.b", "a b", "ü"])
def test_anothers_id_and_nobodys_id_look_the_same(
    stores: Stores, method: str, route: str, strange: str
) -> None:
    turn = a_turn("bens", session_id="bens")
    stores.turns.start(BEN, turn, WIDE, keep=True)
    others = call(method, route.format("bens"))
    nobodys = call(method, route.format(strange))
    assert others.status == 404
    assert others == nobodys
    assert stores.turns.find(BEN, "bens") == turn
    assert not stores.turns.stop_requested(BEN, "bens")


def test_a_page_after_anothers_session_looks_like_one_after_nobodys(stores: Stores) -> None:
    stores.turns.start(BEN, a_turn("bens", session_id="bens"), WIDE, keep=True)
    add(stores, a_turn())
    for path in ("/v1/sessions", "/v1/sessions/s"):
        others = call("GET", path, query={"after": "bens"})
        assert others == call("GET", path, query={"after": "nobody"})
        assert others.status == 404


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize("sub", [None, ""])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/sessions"),
        ("GET", "/v1/sessions/s"),
        ("DELETE", "/v1/sessions/s"),
        ("DELETE", "/v1/chat/completions/c"),
    ],
)
def test_a_caller_without_verified_claims_is_refused(
    method: str, path: str, sub: str | None
) -> None:
    answer = call(method, path, sub=sub)
    assert (answer.status, answer.error["type"]) == (401, "authentication_error")


# Errors on their way out


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/sessions"),
        ("GET", "/v1/sessions/a/b"),
        ("GET", "/v2"),
        ("PUT", "/v1/models/x"),
    ],
)
def test_another_route_is_unknown(method: str, path: str) -> None:
    answer = call(method, path)
    assert (answer.status, answer.error["code"]) == (404, "unknown_url")


@pytest.mark.usefixtures("cloud")
def test_a_fault_that_nobody_foresaw_is_500_without_its_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KIT_TABLE_NAME", "no-such-table")
    services.cache_clear()
    try:
        answer = call("GET", "/v1/sessions/s")
    finally:
        services.cache_clear()
    assert answer.status == 500
    assert answer.error == {
        "message": "internal error; request r-1",
        "type": "server_error",
        "param": None,
        "code": "internal_error",
    }


@pytest.mark.usefixtures("cloud")
def test_browsers_may_read_every_answer() -> None:
    for answer in (call("GET", "/v1/models"), call("GET", "/v1/sessions/nobody")):
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "x-request-id" in answer.headers["access-control-expose-headers"]
