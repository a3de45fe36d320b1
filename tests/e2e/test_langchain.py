"""LangChain's ChatOpenAI, unmodified, against the laptop cloud."""

import pytest
from langchain_core.messages import AIMessageChunk, HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from tests.e2e.cloud import MODEL, User


@pytest.fixture
def chat(ana: User) -> ChatOpenAI:
    """As the docs say it must be set up: LangChain leaves usage out unless `stream_usage`."""
    return ChatOpenAI(
        model=MODEL,
        base_url=ana.base_url,
        api_key=SecretStr(ana.token),
        stream_usage=True,
        max_retries=0,
    )


def test_invoke_gives_the_reply_and_its_usage(chat: ChatOpenAI) -> None:
    reply = chat.invoke([SystemMessage("Be brief."), HumanMessage("echo: one two")])
    assert reply.content == "one two"
    assert reply.response_metadata["finish_reason"] == "stop"
    assert reply.response_metadata["model_name"] == MODEL
    assert reply.usage_metadata is not None
    assert reply.usage_metadata["input_tokens"] == 5
    assert reply.usage_metadata["output_tokens"] == 2


def test_stream_gives_the_reply_in_pieces_and_usage_at_the_end(chat: ChatOpenAI) -> None:
    chunks = list(chat.stream("count 5"))
    texts = [chunk.text for chunk in chunks if chunk.text]
    assert texts == ["1 ", "2 ", "3 ", "4 ", "5"]
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    assert isinstance(whole, AIMessageChunk)
    assert whole.response_metadata["finish_reason"] == "stop"
    assert whole.usage_metadata is not None
    assert whole.usage_metadata["total_tokens"] == 7


def test_batch_answers_several_questions_at_once(chat: ChatOpenAI) -> None:
    questions = [f"echo: number {n}" for n in range(3)]
    replies = chat.batch(list(questions), config={"max_concurrency": 3})
    assert [reply.content for reply in replies] == ["number 0", "number 1", "number 2"]


def test_a_token_limit_reaches_the_model_under_the_name_that_langchain_gives_it(
    chat: ChatOpenAI,
) -> None:
    reply = chat.model_copy(update={"max_tokens": 2}).invoke("count 9")
    assert reply.content == "1 2 "
    assert reply.response_metadata["finish_reason"] == "length"
