"""The prompt of a turn: whole turns, newest first, within the model's budget."""

from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.core.generation import Message, ToolCall, Usage
from lambdas.core.prompt import build_prompt, estimated_tokens
from lambdas.core.turns import Turn
from tests.builders import a_turn, user

NEW = [user("new")]


def past(name: str, tokens: int) -> Turn:
    """An earlier turn that takes `tokens` of a prompt, as the model counted."""
    reply = f"re {name}"
    counted = {"message_tokens": tokens - 1, "usage": Usage(tokens, 1)}
    return a_turn(name, messages=(user(name),), text=reply, status="completed", **counted)


def texts(messages: tuple[Message, ...]) -> list[str]:
    return [message.content for message in messages]


def test_history_stands_oldest_first_between_the_system_message_and_what_is_new() -> None:
    prompt = build_prompt("Be brief.", [past("b", 10), past("a", 10)], NEW, budget_tokens=1000)
    assert texts(prompt.messages) == ["Be brief.", "a", "re a", "b", "re b", "new"]
    assert prompt.messages[0].role == "system"
    assert prompt.history_tokens == 20
    assert [turn.id for turn in prompt.history] == ["b", "a"]


def test_history_ends_at_the_first_turn_that_does_not_fit() -> None:
    history = [past("c", 10), past("b", 900), past("a", 1)]
    prompt = build_prompt(None, history, NEW, budget_tokens=100)
    assert texts(prompt.messages) == ["c", "re c", "new"]


def test_history_is_read_no_further_than_it_fits() -> None:
    read: list[str] = []

    def turns() -> Iterator[Turn]:
        for name in ("c", "b", "a"):
            read.append(name)
            yield past(name, 60)

    build_prompt(None, turns(), NEW, budget_tokens=100)
    assert read == ["c", "b"]


def test_what_is_new_stays_though_it_is_too_long() -> None:
    prompt = build_prompt("s" * 900, [past("a", 1)], [user("n" * 900)], budget_tokens=10)
    assert texts(prompt.messages) == ["s" * 900, "n" * 900]
    assert prompt.history_tokens == 0


def test_a_turn_that_made_nothing_has_no_reply_in_the_prompt() -> None:
    cut = a_turn(messages=(user("a"),), status="failed")
    assert texts(build_prompt(None, [cut], NEW, budget_tokens=1000).messages) == ["a", "new"]


def test_a_turn_that_called_tools_has_its_calls_in_the_prompt() -> None:
    call = ToolCall("c", "f", "{}")
    turn = a_turn(messages=(user("a"),), tool_calls=(call,))
    prompt = build_prompt(None, [turn], NEW, budget_tokens=1000)
    assert prompt.messages[1].tool_calls == (call,)


def test_where_the_model_did_not_count_tokens_are_estimated() -> None:
    turn = a_turn(messages=(user("a" * 300),), text="b" * 300)
    assert build_prompt(None, [turn], NEW, budget_tokens=1000).history_tokens == 216
    assert build_prompt(None, [turn], NEW, budget_tokens=200).history_tokens == 0


def test_an_estimate_counts_bytes_since_other_scripts_take_more_tokens() -> None:
    assert estimated_tokens([user("漢字" * 10)]) > estimated_tokens([user("ab" * 10)])
    assert estimated_tokens([]) == 0


def test_an_estimate_counts_the_arguments_of_tool_calls() -> None:
    call = Message("assistant", "", tool_calls=(ToolCall("c", "f", "x" * 300),))
    assert estimated_tokens([call]) > 100


@settings(deadline=None)
@given(st.lists(st.integers(min_value=1, max_value=200)), st.integers(min_value=0, max_value=800))
def test_history_never_takes_more_than_the_budget_leaves(sizes: list[int], budget: int) -> None:
    history = [past(str(number), size) for number, size in enumerate(sizes)]
    prompt = build_prompt(None, history, NEW, budget_tokens=budget)
    assert prompt.history_tokens <= max(0, budget - estimated_tokens(NEW))
    assert list(prompt.history) == history[: len(prompt.history)]
    if len(prompt.history) < len(history):
        next_size = sizes[len(prompt.history)]
        assert prompt.history_tokens + next_size > budget - estimated_tokens(NEW)
