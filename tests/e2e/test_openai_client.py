"""OpenAI's own Python client, unmodified, against the laptop cloud."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI

from tests.e2e.cloud import MODEL, User, chat_body


@pytest.fixture
def client(ana: User) -> Iterator[OpenAI]:
    with OpenAI(base_url=ana.base_url, api_key=ana.token, max_retries=0) as client:
        yield client


def asked(text: str, **fields: Any) -> dict[str, Any]:
    return chat_body(text, **fields)


def test_a_whole_reply_has_text_finish_reason_and_usage(client: OpenAI) -> None:
    reply = client.chat.completions.create(**asked("echo: one two three"))
    assert reply.object == "chat.completion"
    assert reply.model == MODEL
    (choice,) = reply.choices
    assert (choice.index, choice.finish_reason) == (0, "stop")
    assert (choice.message.role, choice.message.content) == ("assistant", "one two three")
    assert reply.usage is not None
    counts = (reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.usage.total_tokens)
    assert counts == (4, 3, 7)


def test_a_stream_says_its_role_once_ends_once_and_keeps_one_identity(client: OpenAI) -> None:
    chunks = list(client.chat.completions.create(**asked("count 5"), stream=True))
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    assert [delta.role for delta in deltas if delta.role] == ["assistant"]
    assert deltas[0].role == "assistant"
    assert "".join(delta.content or "" for delta in deltas) == "1 2 3 4 5"
    reasons = [c.finish_reason for chunk in chunks for c in chunk.choices if c.finish_reason]
    assert reasons == ["stop"]
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1


def test_usage_comes_in_a_last_chunk_without_choices_and_only_when_asked_for(
    client: OpenAI,
) -> None:
    without = list(client.chat.completions.create(**asked("count 3"), stream=True))
    assert [chunk.usage for chunk in without if chunk.usage] == []
    options: Any = {"include_usage": True}
    chunks = list(
        client.chat.completions.create(**asked("count 3"), stream=True, stream_options=options)
    )
    assert [bool(chunk.usage) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 5


def test_the_streaming_helper_of_the_client_joins_the_reply(client: OpenAI) -> None:
    with client.chat.completions.stream(**asked("count 4")) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].message.content == "1 2 3 4"
    assert final.choices[0].finish_reason == "stop"


def test_a_reply_tells_where_it_was_kept_and_how_long_it_took(client: OpenAI) -> None:
    extra = {"kit": {"session_id": "where-kept"}}
    reply = client.chat.completions.create(**asked("echo: hello"), extra_body=extra)
    kit: Any = reply.to_dict()["kit"]
    assert kit["session_id"] == "where-kept"
    assert 0 <= kit["timings_ms"]["accepted"] <= kit["timings_ms"]["total"]


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_both_names_of_the_token_limit_cut_the_reply(client: OpenAI, name: str) -> None:
    reply = client.chat.completions.create(**asked("count 9", **{name: 3}))
    assert reply.choices[0].message.content == "1 2 3 "
    assert reply.choices[0].finish_reason == "length"


def test_a_stop_text_ends_the_reply(client: OpenAI) -> None:
    reply = client.chat.completions.create(**asked("count 9"), stop=" 4")
    assert reply.choices[0].message.content == "1 2 3"


def test_what_the_kit_does_not_know_is_ignored(client: OpenAI) -> None:
    unknown: Any = {
        "user": "ana",
        "logit_bias": {"1": 0},
        "metadata": {"a": "b"},
        "verbosity": "low",
    }
    reply = client.chat.completions.create(**asked("echo: fine"), **unknown)
    assert reply.choices[0].message.content == "fine"


def test_content_may_come_in_parts_and_the_system_may_be_called_developer(client: OpenAI) -> None:
    parts: Any = [{"type": "text", "text": "messa"}, {"type": "text", "text": "ges?"}]
    reply = client.chat.completions.create(
        model=MODEL,
        messages=[
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": parts},
        ],
    )
    seen = json.loads(reply.choices[0].message.content or "")
    assert seen == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "messages?"},
    ]


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("tools", {"tools": [{"type": "function", "function": {"name": "now", "parameters": {}}}]}),
    ("n", {"n": 2}),
    ("logprobs", {"logprobs": True}),
    ("temperature", {"temperature": 3}),
    ("max_tokens", {"max_tokens": 1_000_000}),
    ("messages.0.role", {"messages": [{"role": "robot", "content": "hello"}]}),
    ("messages", {"messages": []}),
    ("kit.session_id", {"extra_body": {"kit": {"session_id": "not an id"}}}),
    ("kit.session", {"extra_body": {"kit": {"session": "mistyped"}}}),
]


@pytest.mark.parametrize(("param", "fields"), REFUSED, ids=[param for param, _ in REFUSED])
def test_a_fault_in_the_request_is_a_bad_request_error_that_names_the_field(
    client: OpenAI, param: str, fields: dict[str, Any]
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**{**asked("hello"), **fields})
    assert caught.value.param == param
    assert caught.value.code == "invalid_request"
    assert caught.value.request_id


def test_a_prompt_beyond_the_context_is_told_by_its_code(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**asked("too long"))
    assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "messages")


def test_a_model_that_is_not_up_is_a_not_found_error(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(**{**asked("hello"), "model": "gpt-nowhere"})
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


def test_a_bad_token_is_an_authentication_error(client: OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError) as caught:
        client.with_options(api_key="garbage").models.list()
    assert caught.value.code == "invalid_api_key"


def test_an_unknown_route_is_a_not_found_error(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.embeddings.create(model=MODEL, input="hello")
    assert caught.value.code == "unknown_url"


def test_a_model_that_breaks_before_the_first_token_is_a_server_error(client: OpenAI) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(**asked("error 500"))
    assert (caught.value.status_code, caught.value.code) == (502, "model_failed")


def test_a_busy_model_asks_for_patience(client: OpenAI) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(**asked("error 503"))
    assert caught.value.status_code == 503
    assert 0 < int(caught.value.response.headers["retry-after"]) <= 120


def test_the_client_retries_what_may_pass_by_itself(ana: User) -> None:
    sent: list[httpx.Request] = []
    waits = {"request": [sent.append]}
    transport = openai.DefaultHttpxClient(event_hooks=waits)
    with (
        OpenAI(
            base_url=ana.base_url, api_key=ana.token, max_retries=1, http_client=transport
        ) as client,
        pytest.raises(openai.InternalServerError),
    ):
        client.chat.completions.create(**asked("error 500"))
    assert [request.headers["x-stainless-retry-count"] for request in sent] == ["0", "1"]


@pytest.mark.parametrize("command", ["error after 3", "fail after 3"])
def test_a_model_that_breaks_in_the_middle_is_an_error_in_the_stream(
    client: OpenAI, command: str
) -> None:
    texts: list[str] = []
    stream = client.chat.completions.create(**asked(command), stream=True)
    with pytest.raises(openai.APIError) as caught:
        texts.extend(chunk.choices[0].delta.content or "" for chunk in stream)
    assert "".join(texts) == "1 2 3 "
    assert caught.value.code == "model_failed"


def test_the_raw_response_carries_the_request_id(client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(**asked("echo: hello"))
    assert raw.headers["x-request-id"]
    assert raw.headers["content-type"] == "application/json"
    parsed = raw.parse()
    assert parsed.choices[0].message.content == "hello"
    assert parsed._request_id == raw.headers["x-request-id"]


def test_models_can_be_listed_and_looked_up(client: OpenAI) -> None:
    (model,) = client.models.list()
    assert (model.id, model.object) == (MODEL, "model")
    assert client.models.retrieve(MODEL) == model
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("gpt-nowhere")
    assert caught.value.code == "model_not_found"


def test_deleting_a_running_completion_stops_it_and_keeps_what_was_made(
    client: OpenAI, newcomer: User
) -> None:
    client = client.with_options(api_key=newcomer.token)
    extra = {"kit": {"session_id": "stopped"}}
    stream = client.chat.completions.create(
        **asked("count 1000 every 20"), stream=True, extra_body=extra
    )
    chunks = [next(stream) for _ in range(5)]
    client.chat.completions.delete(chunks[0].id)
    chunks.extend(stream)
    made = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert made.startswith("1 2 3 ")
    assert not made.endswith("1000")
    assert chunks[-1].choices[0].finish_reason == "stop"
    (turn,) = newcomer.get("/v1/sessions/stopped").json()["turns"]["data"]
    assert (turn["id"], turn["status"], turn["reply"]["content"]) == (chunks[0].id, "stopped", made)
