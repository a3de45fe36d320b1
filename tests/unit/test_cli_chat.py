import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from scripts.kit.api import Api, ApiError, chunks
from scripts.kit.chat import Talk

Reply = Callable[[httpx.Request], httpx.Response]


def an_api(reply: Reply) -> Api:
    client = httpx.Client(transport=httpx.MockTransport(reply), base_url="http://stage/v1/")
    return Api(client)


def sse(*events: object) -> bytes:
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)


def delta(text: str, **more: object) -> dict[str, object]:
    return {"model": "m", "choices": [{"index": 0, "delta": {"content": text}, **more}]}


def streams(body: bytes) -> Reply:
    return lambda _: httpx.Response(200, content=body)


def a_talk(api: Api, *, session: str | None = None, clock: Iterator[float] | None = None) -> Talk:
    ticks = clock or iter(range(100))
    return Talk(
        api,
        model="m",
        session=session,
        system=None,
        sampling={},
        now=lambda: float(next(ticks)),
    )


def test_pieces_are_written_as_they_come_and_the_ending_is_described() -> None:
    body = b": waking\n\n" + sse(
        {"model": "m", "choices": [{"index": 0, "delta": {"role": "assistant"}}]},
        delta("Hel"),
        delta("lo", finish_reason="length"),
        {"model": "m", "choices": [], "usage": {"completion_tokens": 2}},
        {"model": "m", "choices": [], "kit": {"session_id": "s1"}},
    )
    written: list[str] = []
    talk = a_talk(an_api(streams(body + b"data: [DONE]\n\n")), clock=iter([10.0, 10.25, 12.0]))
    ending = talk.ask("hi", written.append)
    assert written == ["Hel", "lo", "\n"]
    assert ending.described() == (
        "m · session s1 · first token 250 ms · total 2.0 s · 2 tokens · ended by length"
    )


def test_with_a_session_only_what_is_new_is_sent() -> None:
    sent: list[dict[str, Any]] = []

    def reply(request: httpx.Request) -> httpx.Response:
        sent.append(json.loads(request.content))
        return httpx.Response(200, content=sse(delta("x")) + b"data: [DONE]\n\n")

    talk = a_talk(an_api(reply), session="s1")
    talk.ask("first", lambda _: None)
    talk.ask("second", lambda _: None)
    assert [body["messages"] for body in sent] == [
        [{"role": "user", "content": "first"}],
        [{"role": "user", "content": "second"}],
    ]
    assert all(body["kit"] == {"session_id": "s1"} and body["stream"] for body in sent)


def test_system_and_length_are_sent_when_given() -> None:
    talk = Talk(
        an_api(streams(b"")),
        model="m",
        session=None,
        system="Be brief.",
        sampling={"max_tokens": 5, "temperature": None},
    )
    assert talk.body("hi") == {
        "model": "m",
        "max_tokens": 5,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "hi"},
        ],
    }


def test_an_error_body_becomes_one_line_with_its_param() -> None:
    fault = {"error": {"message": "no model 'x'", "param": "model", "code": "model_not_found"}}
    api = an_api(lambda _: httpx.Response(404, json=fault))
    with pytest.raises(ApiError, match=r"^404: no model 'x' \(param model\)$") as refused:
        list(api.stream({}))
    assert refused.value.code == "model_not_found"


def test_an_error_after_the_first_byte_ends_the_stream() -> None:
    events = sse(delta("Hel"), {"error": {"message": "the model failed", "code": "model_failed"}})
    found = chunks(events.decode().splitlines())
    assert next(found)["choices"]
    with pytest.raises(ApiError, match="the model failed"):
        next(found)


def test_a_stream_without_its_end_is_an_error() -> None:
    with pytest.raises(ApiError, match="ended before the reply did"):
        list(chunks(sse(delta("Hel")).decode().splitlines()))


def test_a_reply_that_is_not_json_is_quoted() -> None:
    api = an_api(lambda _: httpx.Response(502, text="<html>bad gateway"))
    with pytest.raises(ApiError, match="status 502: '<html>bad gateway'"):
        api.models()


def test_a_stage_that_cannot_be_reached_is_named() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(ApiError, match="http://stage/v1/ cannot be reached: refused"):
        an_api(refuse).models()
