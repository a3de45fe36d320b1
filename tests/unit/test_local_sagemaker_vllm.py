"""vLLM's words in front of a server with llama.cpp's."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from scripts.local.sagemaker.faults import ContainerError
from scripts.local.sagemaker.model_servers import ModelServer
from scripts.local.sagemaker.vllm import VllmContainer, with_role

LLAMA = ModelServer("http://model/v1", key="secret", model="smollm2", context_tokens=8192)
Handler = Callable[[httpx.Request], httpx.Response]


def refusal(handler: Handler, **chat: Any) -> tuple[int, dict[str, Any]]:
    with pytest.raises(ContainerError) as caught:
        call(handler, **chat)
    return caught.value.status, json.loads(caught.value.text)["error"]


def call(handler: Handler, server: ModelServer = LLAMA, **chat: Any) -> httpx.Response:
    async def run() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.MockTransport(handler)) as client:
            response = await VllmContainer(client, server).open(json.dumps(chat).encode())
            await response.aread()
            return response

    return asyncio.run(run())


def answers(status: int, body: Any) -> Handler:
    return lambda _: httpx.Response(status, json=body)


def counting(tokens: int) -> Handler:
    def handle(request: httpx.Request) -> httpx.Response:
        counts = request.url.path.endswith("/input_tokens")
        return httpx.Response(200, json={"input_tokens": tokens} if counts else {"ok": True})

    return handle


MESSAGES = [{"role": "user", "content": "hi"}]


def test_a_prompt_that_llama_cpp_refuses_is_refused_in_vllms_words() -> None:
    error = {
        "code": 400,
        "message": "request (9031 tokens) exceeds the available context size (8192 tokens)",
        "type": "exceed_context_size_error",
        "n_prompt_tokens": 9031,
        "n_ctx": 8192,
    }
    status, said = refusal(answers(400, {"error": error}), messages=MESSAGES, max_tokens=100)

    assert (status, said["type"], said["param"]) == (400, "BadRequestError", "input_tokens")
    assert said["message"].startswith(
        "You passed 9031 input tokens and requested 100 output tokens. However, the model's "
        "context length is only 8192 tokens, resulting in a maximum input length of 8092 tokens."
    )


def test_an_output_that_does_not_fit_beside_the_prompt_is_refused_before_generating() -> None:
    status, said = refusal(counting(200), messages=MESSAGES, max_tokens=8000)

    assert status == 400
    assert said["message"].startswith("You passed 200 input tokens and requested 8000 output")


def test_a_prompt_and_output_that_just_fit_are_let_through() -> None:
    assert call(counting(192), messages=MESSAGES, max_tokens=8000).json() == {"ok": True}


def test_more_output_than_the_context_is_refused_without_a_count() -> None:
    status, said = refusal(answers(500, {}), messages=MESSAGES, max_tokens=8193)

    assert status == 400
    assert "max_tokens=8193 cannot be greater than max_model_len" in said["message"]


def test_a_short_call_is_not_counted() -> None:
    paths = []

    def handle(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.path)
        return httpx.Response(200, json={})

    call(handle, messages=MESSAGES, max_tokens=512)
    assert paths == ["/v1/chat/completions"]


def test_the_model_and_the_key_of_the_server_are_sent() -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        key = request.headers["authorization"]
        return httpx.Response(200, json={"model": json.loads(request.content)["model"], "key": key})

    response = call(handle, messages=MESSAGES, model="/opt/ml/model")
    assert response.json() == {"model": "smollm2", "key": "Bearer secret"}


def test_a_foreign_servers_body_is_sent_as_it_came() -> None:
    response = call(
        lambda request: httpx.Response(200, content=request.content),
        ModelServer("http://model/v1"),
        messages=MESSAGES,
        model="theirs",
        max_tokens=10**6,
    )

    assert response.json() == {"messages": MESSAGES, "model": "theirs", "max_tokens": 10**6}


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        (
            {"error": {"code": 500, "message": "m", "type": "server_error"}},
            "InternalServerError",
            "m",
        ),
        (
            {"error": {"code": 500, "message": "m", "type": "Theirs", "param": "p"}},
            "Theirs",
            "m",
        ),
        ({"error": "plain"}, "InternalServerError", "plain"),
        ("text", "InternalServerError", '"text"'),
    ],
)
def test_an_error_of_any_shape_becomes_vllms(body: Any, kind: str, message: str) -> None:
    status, said = refusal(answers(500, body), messages=MESSAGES)

    assert (status, said["type"], said["message"], said["code"]) == (500, kind, message, 500)


def test_a_server_that_hangs_up_is_an_engine_that_died() -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("connection reset", request=request)

    status, said = refusal(handle, messages=MESSAGES)
    assert (status, said["type"]) == (500, "EngineDeadError")


def relayed(stream: bytes, size: int) -> bytes:
    async def parts() -> AsyncIterator[bytes]:
        for at in range(0, len(stream), size):
            yield stream[at : at + size]

    async def run() -> bytes:
        return b"".join([part async for part in with_role(parts())])

    return asyncio.run(run())


def event(chunk: Any) -> bytes:
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


FACE = {"id": "c1", "choices": [{"index": 0, "delta": {"content": "😉"}, "finish_reason": None}]}
ROLE = {
    "id": "c1",
    "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}],
}
DONE = b"data: [DONE]\n\n"


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("comment", [b"", b": ping\n\n"])
def test_a_stream_that_begins_without_a_role_is_given_one(size: int, comment: bytes) -> None:
    stream = comment + event(FACE) + event(FACE) + DONE

    assert relayed(stream, size) == comment + event(ROLE) + event(FACE) + event(FACE) + DONE


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize(
    "stream",
    [event(ROLE) + event(FACE) + DONE, event({"error": {"message": "m"}}) + DONE, b""],
    ids=["role", "error", "empty"],
)
def test_other_streams_pass_as_they_are(size: int, stream: bytes) -> None:
    assert relayed(stream, size) == stream


def test_what_is_no_chat_finds_no_handler() -> None:
    status, said = refusal(answers(200, {}), prompt="hi")

    assert status == 400
    assert said["message"].startswith("Cannot find suitable handler for request.")
