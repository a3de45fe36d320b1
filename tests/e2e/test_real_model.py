"""The model that really answers, on this machine's processor: what its replies are made of.

What it says is its own affair, so only structure is asserted. Going from the scripted model to it
restarts the local SageMaker: the rest of the laptop cloud goes on as it was.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from openai import OpenAI

from tests.e2e.cloud import MODEL, Cloud, User, chat_body, said

KEPT = "kept-over-a-change"


@pytest.fixture(scope="module")
def client(cloud: Cloud, ana: User, model_url: str) -> Iterator[OpenAI]:
    assert said(ana.ask("echo: before", kit={"session_id": KEPT})) == "before"
    cloud.up(model_url=None)
    try:
        with OpenAI(base_url=ana.base_url, api_key=ana.token, max_retries=3, timeout=300) as client:
            yield client
    finally:
        cloud.up(model_url=model_url)


def test_it_answers_with_words_of_its_own_and_counts_them(client: OpenAI) -> None:
    question = chat_body("Name three colours.", max_tokens=24, temperature=0)
    reply = client.chat.completions.create(**question)
    assert reply.choices[0].message.content
    assert reply.choices[0].finish_reason in {"stop", "length"}
    assert reply.usage is not None
    assert reply.usage.prompt_tokens > len(["Name", "three", "colours."])
    assert 0 < reply.usage.completion_tokens <= 24


def test_it_streams_token_by_token(client: OpenAI) -> None:
    question = chat_body("Count from one to ten.", max_tokens=24, temperature=0)
    options: Any = {"include_usage": True}
    chunks = list(client.chat.completions.create(**question, stream=True, stream_options=options))
    *deltas, last = [choice for chunk in chunks for choice in chunk.choices]
    assert [choice.delta.role for choice in deltas if choice.delta.role] == ["assistant"]
    texts = [choice.delta.content for choice in deltas if choice.delta.content]
    assert len(texts) >= 8
    assert last.finish_reason in {"stop", "length"}
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens >= len(texts)


def test_the_same_seed_at_no_temperature_gives_the_same_words(client: OpenAI) -> None:
    question = chat_body("Say something.", max_tokens=12, temperature=0, seed=7)
    first, second = (client.chat.completions.create(**question) for _ in range(2))
    assert first.choices[0].message.content == second.choices[0].message.content


def test_a_json_schema_holds_the_reply_to_its_form(client: OpenAI) -> None:
    form: Any = {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 20}, "large": {"type": "boolean"}},
        "required": ["city", "large"],
        "additionalProperties": False,
    }
    reply = client.chat.completions.create(
        **chat_body("Tell me of a city, as JSON.", max_tokens=60, temperature=0),
        response_format={"type": "json_schema", "json_schema": {"name": "city", "schema": form}},
    )
    told = json.loads(reply.choices[0].message.content or "")
    assert set(told) == {"city", "large"}
    assert isinstance(told["city"], str)
    assert isinstance(told["large"], bool)


def test_a_prompt_beyond_its_context_is_told_by_its_code(client: OpenAI, ana: User) -> None:
    reply = ana.ask("word " * 10_000)
    assert reply.status_code == 400
    error = reply.json()["error"]
    assert (error["code"], error["param"]) == ("context_length_exceeded", "messages")


def test_what_another_model_said_before_is_seen_by_the_next_turn(client: OpenAI, ana: User) -> None:
    (turn,) = ana.get(f"/v1/sessions/{KEPT}").json()["turns"]["data"]
    assert turn["reply"]["content"] == "before"
    extra = {"kit": {"session_id": KEPT}}
    reply = client.chat.completions.create(**chat_body("Hello.", max_tokens=8), extra_body=extra)
    alone = client.chat.completions.create(**chat_body("Hello.", max_tokens=8))
    assert reply.usage is not None
    assert alone.usage is not None
    assert reply.usage.prompt_tokens > alone.usage.prompt_tokens


def test_its_name_is_that_of_the_catalogue(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [MODEL]
