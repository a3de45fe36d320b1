"""What a chat request may ask of a model, and the call that it becomes."""

from typing import Any

import pytest

from lambdas.core.chat_rules import (
    DEFAULT_MAX_TOKENS,
    checked_messages,
    entry_for,
    generation_request,
    max_tokens,
)
from lambdas.core.errors import InvalidRequestError, NotFoundError
from lambdas.core.generation import GenerationRequest
from tests.builders import SMALL, TEXT_TO_TEXT, TOOLS, a_chat_request, an_entry, in_session

TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}
JSON = {"type": "json_object"}


def asked(model: str = SMALL, **fields: Any) -> GenerationRequest:
    request = a_chat_request(**fields)
    return generation_request(an_entry(model), request, checked_messages(request))


def test_a_model_that_is_up_is_found_by_its_id() -> None:
    assert entry_for({SMALL: an_entry()}, SMALL) == an_entry()


def test_a_model_that_is_not_up_is_refused_with_those_that_are() -> None:
    with pytest.raises(NotFoundError, match=SMALL) as refused:
        entry_for({SMALL: an_entry()}, "gpt-4")
    assert refused.value.code == "model_not_found"
    with pytest.raises(NotFoundError, match="none is up"):
        entry_for({}, SMALL)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, DEFAULT_MAX_TOKENS),
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 5}, 5),
        ({"max_tokens": 5, "max_completion_tokens": 6}, 6),
        ({"max_tokens": 0}, 1),
        ({"max_tokens": 2048}, 2048),
    ],
)
def test_both_names_of_the_token_limit_are_read(fields: dict[str, Any], expected: int) -> None:
    assert max_tokens(an_entry(), a_chat_request(**fields)) == expected


def test_a_reply_that_nobody_sized_fits_a_small_model() -> None:
    assert max_tokens(an_entry(max_output_tokens=100), a_chat_request()) == 100


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_more_tokens_than_the_model_can_make_are_refused(name: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"2049.*2048") as refused:
        asked(SMALL, **{name: 2049})
    assert refused.value.param == name


@pytest.mark.parametrize(
    ("model", "fields", "param"),
    [
        (SMALL, {"n": 2}, "n"),
        (SMALL, {"logprobs": True}, "logprobs"),
        (SMALL, {"top_logprobs": 2}, "top_logprobs"),
        (SMALL, {"tools": [TOOL]}, "tools"),
        (SMALL, {"tools": [TOOL], "tool_choice": "required"}, "tools"),
        (TEXT_TO_TEXT, {"response_format": JSON}, "response_format"),
        (SMALL, {"store": False, "kit": {"session_id": "s"}}, "store"),
    ],
)
def test_what_changes_meaning_and_cannot_be_honoured_is_refused(
    model: str, fields: dict[str, Any], param: str
) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        asked(model, **fields)
    assert refused.value.param == param


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 1, "logprobs": False, "top_logprobs": 0},
        {"tools": []},
        {"tools": [TOOL], "tool_choice": "none"},
        {"response_format": {"type": "text"}},
        {"store": False},
    ],
)
def test_what_asks_for_nothing_special_is_taken(fields: dict[str, Any]) -> None:
    request = asked(**fields)
    assert (request.tools, request.constraint) == ((), None)


def test_tools_go_to_a_model_that_can_call_them() -> None:
    request = asked(TOOLS, tools=[TOOL], tool_choice="auto")
    assert (request.tools, request.tool_choice) == ((TOOL,), "auto")


def test_a_choice_of_none_keeps_the_tools_from_the_model() -> None:
    request = asked(TOOLS, tools=[TOOL], tool_choice="none")
    assert (request.tools, request.tool_choice) == ((), None)


@pytest.mark.parametrize("session", [in_session, a_chat_request])
def test_a_tool_message_must_name_the_call_it_answers(session: Any) -> None:
    messages = [{"role": "user", "content": "a"}, {"role": "tool", "content": "b"}]
    with pytest.raises(InvalidRequestError) as refused:
        checked_messages(session("", messages=messages))
    assert refused.value.param == "messages.1.tool_call_id"


@pytest.mark.parametrize(
    "roles", [["assistant", "user"], ["system"], ["developer", "system"]], ids=str
)
def test_in_a_session_only_what_is_new_may_be_sent(roles: list[str]) -> None:
    messages = [{"role": role, "content": "x"} for role in roles]
    with pytest.raises(InvalidRequestError) as refused:
        checked_messages(in_session("", messages=messages))
    assert refused.value.param == "messages"


def test_without_a_session_all_roles_may_be_sent() -> None:
    messages = [{"role": role, "content": "x"} for role in ("system", "user", "assistant")]
    assert len(checked_messages(a_chat_request(messages=messages))) == 3
