"""A user's limits as DynamoDB checks them; what they mean is in the contract of the stores."""

import time

import pytest

from lambdas.aws import limits as quota
from lambdas.core.turns import Limits
from tests.builders import ANA, a_turn

LIMITS = Limits(tokens_per_day=10, concurrent_streams=2)


@pytest.mark.parametrize("turn_id", ["chatcmpl-1", "with#hash", ""])
def test_a_claim_is_read_as_it_was_written(turn_id: str) -> None:
    claim = quota.Claim(created_at=5, attempt=2, turn_id=turn_id)
    assert quota.Claim.parse(claim.text) == claim


def test_a_claim_outlives_no_stream_of_api_gateway() -> None:
    now = int(time.time())
    assert not quota.Claim(now, 1, "t").outlived
    assert quota.Claim(now - quota.CLAIM_AGE_S - 5, 1, "t").outlived


def test_a_start_counts_a_request_and_claims_a_stream() -> None:
    day, streams = quota.claims(ANA, a_turn(), LIMITS)
    assert day["Update"]["Key"]["pk"] == streams["Update"]["Key"]["pk"] == {"S": "U#ana"}
    assert day["Update"]["ExpressionAttributeValues"][":limit"] == {"N": "10"}
    assert streams["Update"]["ExpressionAttributeValues"][":limit"] == {"N": "2"}


def test_what_is_released_is_what_was_claimed() -> None:
    turn = a_turn(attempt=3)
    claimed = quota.claims(ANA, turn, LIMITS)[1]["Update"]["ExpressionAttributeValues"][":claim"]
    released = quota.release(ANA, turn)["Update"]["ExpressionAttributeValues"][":claims"]
    assert claimed == released


def test_the_days_tokens_come_back_within_a_day() -> None:
    refused = quota.tokens_refused(LIMITS)
    assert 1 <= refused.retry_after_s <= 86_400
    assert refused.code == "insufficient_quota"
