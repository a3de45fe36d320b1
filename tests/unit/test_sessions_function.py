"""Sessions listed, shown, deleted, and their turns stopped: the function of the API."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from lambdas.core.generation import Message, ToolCall, Usage
from lambdas.core.turns import Turn
from tests.builders import (
    ANA,
    WIDE,
    a_cut_turn,
    a_turn,
    user,
)
from tests.rest_calls import call, wired
from tests.stores import Cloud, Stores

LONG = "x" * 40_000


@pytest.fixture(scope="module")
def process() -> Iterator[Cloud]:
    with wired() as cloud:
        yield cloud


@pytest.fixture
def cloud(process: Cloud) -> Cloud:
    process.empty()
    return process


@pytest.fixture
def stores(cloud: Cloud) -> Stores:
    return cloud.stores()


def add(stores: Stores, turn: Turn, text: str = "hi") -> Turn:
    stores.turns.start(ANA, turn, WIDE, keep=True)
    ended = replace(turn, status="completed", finish_reason="stop", text=text, usage=Usage(9, 1))
    stores.turns.finish(ANA, ended, keep=True, tokens=1)
    return ended


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
