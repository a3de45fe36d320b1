"""The prompt of a turn: the newest history that fits the model's context, then what is new."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lambdas.core.generation import Message
from lambdas.core.turns import Turn

# Where the model has not counted: a token is seldom under 3 bytes of UTF-8 (4 letters of English,
# one CJK character), and a chat template puts about 8 tokens around a message.
_BYTES_PER_TOKEN = 3
_TEMPLATE_TOKENS = 8


@dataclass(frozen=True, slots=True)
class Prompt:
    """Messages for the model, the earlier turns among them (newest first), and their share."""

    messages: tuple[Message, ...]
    history: tuple[Turn, ...]
    history_tokens: int


def estimated_tokens(messages: Iterable[Message]) -> int:
    """Rather too many than too few; the model's own count replaces it once the turn has run."""
    sizes = (
        len(m.content.encode()) + sum(len(c.arguments) for c in m.tool_calls) for m in messages
    )
    return sum(-(-size // _BYTES_PER_TOKEN) + _TEMPLATE_TOKENS for size in sizes)


def build_prompt(
    system: str | None, newest_first: Iterable[Turn], new: Sequence[Message], *, budget_tokens: int
) -> Prompt:
    """Put as many of the newest earlier turns before the new messages as the budget allows.

    Whole turns only, so no answer stands without its question. The history is read no further
    than it fits.

    Args:
        system: always kept, and first.
        newest_first: earlier turns of the session.
        new: the caller's messages; never dropped, so the result can exceed the budget.
        budget_tokens: context length minus the tokens kept for the answer.
    """
    head = [Message("system", system)] if system else []
    left = budget_tokens - estimated_tokens([*head, *new])
    history: list[Turn] = []
    used = 0
    for turn in newest_first:
        cost = _tokens_of(turn)
        if cost > left - used:
            break
        used += cost
        history.append(turn)
    past = [message for turn in reversed(history) for message in _messages_of(turn)]
    return Prompt((*head, *past, *new), tuple(history), history_tokens=used)


def _tokens_of(turn: Turn) -> int:
    """The model's own counts where the turn ran to its end, else an estimate."""
    if turn.message_tokens is not None and turn.usage is not None:
        return turn.message_tokens + turn.usage.completion_tokens
    return estimated_tokens([*turn.messages, turn.reply])


def _messages_of(turn: Turn) -> list[Message]:
    said = turn.text or turn.tool_calls
    return [*turn.messages, turn.reply] if said else [*turn.messages]
