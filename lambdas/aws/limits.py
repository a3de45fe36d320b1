"""A user's limits as counters that DynamoDB checks and moves in one step."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from lambdas.aws.table import Item, item_of, key
from lambdas.core.errors import LimitExceededError
from lambdas.core.identity import Owner
from lambdas.core.turns import Limits, Turn

# API Gateway streams for 15 minutes at most: an older claim was left over by a killed function.
CLAIM_AGE_S = 15 * 60
_KEEP_DAYS = 40
STREAMS_KEY = "Q#streams"


@dataclass(frozen=True, slots=True)
class Claim:
    """A stream that a function holds, named so that a claim left over can be told."""

    created_at: int
    attempt: int
    turn_id: str

    @classmethod
    def parse(cls, text: str) -> "Claim":
        created_at, attempt, turn_id = text.split("#", 2)
        return cls(int(created_at), int(attempt), turn_id)

    @property
    def text(self) -> str:
        return f"{self.created_at}#{self.attempt}#{self.turn_id}"

    @property
    def outlived(self) -> bool:
        return time.time() > self.created_at + CLAIM_AGE_S


def claims(owner: Owner, turn: Turn, limits: Limits) -> list[dict[str, Any]]:
    """Transaction steps that count a request and claim a stream; in the order of `refusals`."""
    day = {
        "Key": key(owner, _day_key()),
        "UpdateExpression": "ADD requests :one SET expires_at = :expiry",
        "ConditionExpression": "attribute_not_exists(tokens) OR tokens < :limit",
        "ExpressionAttributeValues": item_of(
            **{":one": 1, ":limit": limits.tokens_per_day, ":expiry": _expiry()}
        ),
    }
    streams = {
        "Key": key(owner, STREAMS_KEY),
        "UpdateExpression": "ADD running :claim",
        "ConditionExpression": "attribute_not_exists(running) OR size(running) < :limit",
        "ExpressionAttributeValues": {
            ":claim": {"SS": [_claim_of(turn).text]},
            **item_of(**{":limit": limits.concurrent_streams}),
        },
    }
    return [{"Update": day}, {"Update": streams}]


def release(owner: Owner, turn: Turn) -> dict[str, Any]:
    """Transaction step that gives the stream back; twice is as good as once."""
    return _released(owner, [_claim_of(turn).text])


def count_tokens(owner: Owner, tokens: int) -> dict[str, Any]:
    """Transaction step that adds a turn's tokens to the day on which it ended."""
    return {
        "Update": {
            "Key": key(owner, _day_key()),
            "UpdateExpression": "ADD tokens :tokens SET expires_at = :expiry",
            "ExpressionAttributeValues": item_of(**{":tokens": tokens, ":expiry": _expiry()}),
        }
    }


def tokens_refused(limits: Limits) -> LimitExceededError:
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0) + timedelta(days=1)
    return LimitExceededError(
        f"the day's {limits.tokens_per_day} tokens are used up (tokens_per_day)",
        retry_after_s=max(1, int((midnight - datetime.now(UTC)).total_seconds())),
        code="insufficient_quota",
    )


def streams_refused(limits: Limits) -> LimitExceededError:
    return LimitExceededError(
        f"{limits.concurrent_streams} of your turns run already (concurrent_streams)",
        retry_after_s=2,
    )


def dropped(owner: Owner, leftover: Iterable[Claim]) -> dict[str, Any]:
    """Transaction step that gives streams back whose functions died."""
    return _released(owner, [claim.text for claim in leftover])


def claims_in(item: Item) -> list[Claim]:
    return [Claim.parse(text) for text in item.get("running", {}).get("SS", ())]


def _claim_of(turn: Turn) -> Claim:
    return Claim(turn.created_at, turn.attempt, turn.id)


def _released(owner: Owner, claims: list[str]) -> dict[str, Any]:
    return {
        "Update": {
            "Key": key(owner, STREAMS_KEY),
            "UpdateExpression": "DELETE running :claims",
            "ExpressionAttributeValues": {":claims": {"SS": claims}},
        }
    }


def _day_key() -> str:
    return f"Q#{datetime.now(UTC):%Y-%m-%d}"


def _expiry() -> int:
    return int((datetime.now(UTC) + timedelta(days=_KEEP_DAYS)).timestamp())
