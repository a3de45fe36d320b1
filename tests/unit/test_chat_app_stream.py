"""A streamed reply of POST /v1/chat/completions, as a client sees it."""

import asyncio
import json
import threading
from typing import Any

import pytest

from lambdas.core.errors import (
    ModelFailedError,
    UnavailableError,
)
from lambdas.core.generation import Finished, TextDelta, ToolCallDelta
from tests.asgi import Heard
from tests.builders import (
    ANA,
    SMALL,
    TOOLS,
    a_chat_body,
)
from tests.chat_app import DONE, App, stream, within
from tests.scripted_client import Script


def test_a_stream_has_openais_framing() -> None:
    heard = App().post(stream())
    assert (heard.status, heard.headers["content-type"]) == (200, "text/event-stream")
    assert heard.headers["x-request-id"] == "r-1"
    assert heard.headers["cache-control"] == "no-store"
    assert heard.over
    assert heard.events[-1] == DONE
    for event in heard.events:
        assert event.startswith(b"data: ")
        assert b"\n" not in event
        assert b"\r" not in event


def test_a_stream_says_the_role_once_and_gives_the_text_in_order() -> None:
    chunks = App().post(stream()).chunks
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert [delta for delta in deltas[1:] if "role" in delta] == []
    assert "".join(delta.get("content", "") for delta in deltas) == "Zürich 🙂"


def test_every_chunk_has_the_same_id_time_and_model() -> None:
    app = App()
    chunks = app.post(stream()).chunks
    (same,) = {(c["id"], c["created"], c["model"], c["object"]) for c in chunks}
    turn = app.turn(same[0])
    assert same == (turn.id, turn.created_at, SMALL, "chat.completion.chunk")
    assert all("error" not in chunk for chunk in chunks)


def test_exactly_one_chunk_has_a_finish_reason() -> None:
    chunks = App([TextDelta("a"), Finished("length")]).post(stream()).chunks
    reasons = [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"]]
    assert [reason for reason in reasons if reason] == ["length"]
    assert reasons[-1] == "length"


def test_usage_comes_in_a_chunk_of_its_own_where_it_was_asked_for() -> None:
    chunks = App().post(stream(stream_options={"include_usage": True})).chunks
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"] == {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
    assert [chunk for chunk in chunks[:-1] if chunk.get("usage")] == []


@pytest.mark.parametrize("options", [None, {}, {"include_usage": False}])
def test_usage_does_not_come_where_it_was_not_asked_for(options: Any) -> None:
    chunks = App().post(stream(stream_options=options)).chunks
    assert [chunk for chunk in chunks if chunk.get("usage")] == []
    assert all(len(chunk["choices"]) == 1 for chunk in chunks)


@pytest.mark.parametrize("include_usage", [True, False])
def test_the_kits_own_fields_ride_on_the_last_chunk(*, include_usage: bool) -> None:
    body = stream(kit={"session_id": "s"}, stream_options={"include_usage": include_usage})
    chunks = App().post(body).chunks
    assert chunks[-1]["kit"]["session_id"] == "s"
    assert set(chunks[-1]["kit"]["timings_ms"]) == {"accepted", "first_token", "total"}
    assert [chunk for chunk in chunks[:-1] if "kit" in chunk] == []


def test_fragments_of_tool_calls_carry_their_index_and_say_id_and_name_once() -> None:
    script: Script = [
        ToolCallDelta(0, "", id="c-0", name="f"),
        ToolCallDelta(0, "{}"),
        ToolCallDelta(1, "[", id="c-1", name="g"),
        ToolCallDelta(1, "]"),
        Finished("tool_calls"),
    ]
    chunks = App(script).post(stream(model=TOOLS)).chunks
    calls = [c for chunk in chunks for c in chunk["choices"][0]["delta"].get("tool_calls", ())]
    assert calls == [
        {"index": 0, "id": "c-0", "type": "function", "function": {"name": "f", "arguments": ""}},
        {"index": 0, "function": {"arguments": "{}"}},
        {"index": 1, "id": "c-1", "type": "function", "function": {"name": "g", "arguments": "["}},
        {"index": 1, "function": {"arguments": "]"}},
    ]
    assert all("content" not in c["choices"][0]["delta"] for c in chunks[1:-1])


def test_each_token_is_sent_as_it_comes() -> None:
    async def work() -> None:
        go_on = threading.Event()
        request = App([TextDelta("one"), go_on, TextDelta("two"), Finished("stop")]).request(
            stream()
        )
        call = asyncio.create_task(request.run())
        assert b'"role": "assistant"' in await request.part(0)
        assert b'"one"' in await request.part(1)
        assert not call.done()
        go_on.set()
        await call

    within(work())


def test_the_head_comes_only_once_the_model_has_accepted() -> None:
    heard = App([UnavailableError("asleep", retry_after_s=90, code="model_waking")]).post(stream())
    assert heard.status == 503
    assert (heard.error["code"], heard.headers["retry-after"]) == ("model_waking", "90")


def test_an_error_after_the_first_byte_ends_the_stream_as_an_event() -> None:
    app = App([TextDelta("half"), ModelFailedError("it broke")])
    heard = app.post(stream())
    assert heard.status == 200
    assert heard.over
    *_, last = heard.chunks
    error = {"message": "it broke", "type": "server_error", "param": None, "code": "model_failed"}
    assert last == {"error": error}
    assert DONE not in heard.events
    assert app.turn(heard.chunks[0]["id"]).status == "failed"


def test_a_fault_after_the_first_byte_tells_nothing_but_the_request_id() -> None:
    app = App()

    def breaks() -> None:
        raise RuntimeError("password=hunter2")

    app.store.before["finish"] = breaks
    heard = app.post(stream())
    assert heard.chunks[-1]["error"]["message"] == "internal error; request r-1"
    assert b"hunter2" not in heard.body


def test_a_silent_model_is_covered_by_heart_beats() -> None:
    async def work() -> Heard:
        go_on = threading.Event()
        request = App([go_on, TextDelta("x"), Finished("stop")], heartbeat_s=0.005).request(
            stream()
        )
        call = asyncio.create_task(request.run())
        assert (await request.part(1)).startswith(b":")
        assert (await request.part(2)).startswith(b":")
        go_on.set()
        heard: Heard = await call
        return heard

    heard = within(work())
    comments = [event for event in heard.events if event.startswith(b":")]
    assert all(b"\n" not in comment for comment in comments)
    assert heard.events[-1] == DONE
    assert heard.chunks[-1]["choices"][0]["finish_reason"] == "stop"


def test_a_stopped_stream_ends_well_with_what_was_made() -> None:
    async def work(app: App) -> Heard:
        request = app.request(stream())
        call = asyncio.create_task(request.run())
        first = json.loads((await request.part(0)).removeprefix(b"data: "))
        await request.part(1)
        app.store.request_stop(ANA, first["id"])
        heard: Heard = await call
        return heard

    never = threading.Event()
    app = App([TextDelta("half"), never, Finished("length")])
    try:
        heard = within(work(app))
    finally:
        never.set()
    assert heard.chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert heard.events[-1] == DONE
    turn = app.turn(heard.chunks[0]["id"])
    assert (turn.status, turn.text) == ("stopped", "half")


def test_the_turn_of_a_client_that_stops_listening_is_finished_and_stored() -> None:
    async def work(app: App) -> str:
        request = app.request(stream())
        call = asyncio.create_task(request.run())
        first = json.loads((await request.part(0)).removeprefix(b"data: "))
        await request.part(1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        go_on.set()
        await asyncio.to_thread(app.store.wait_for, "finish")
        return str(first["id"])

    go_on = threading.Event()
    app = App([TextDelta("one"), go_on, TextDelta(" two"), Finished("stop")])
    turn = app.turn(within(work(app)))
    assert (turn.status, turn.text) == ("completed", "one two")


def test_a_retry_of_a_whole_turn_may_stream_it() -> None:
    app = App()
    kit = {"client_turn_id": "c-1"}
    first = app.post(a_chat_body(kit=kit)).json
    chunks = app.post(stream(kit=kit)).chunks
    assert chunks[0]["id"] == first["id"]
    text = "".join(c["choices"][0]["delta"].get("content", "") for c in chunks)
    assert text == first["choices"][0]["message"]["content"]
    assert len(app.model.requests) == 1
