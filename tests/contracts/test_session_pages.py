"""Pages of a session's turns on DynamoDB: they end early, so that an answer fits a function's."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from lambdas.aws.sessions import DynamoSessions
from lambdas.aws.table import Table
from lambdas.aws.texts import Texts
from lambdas.aws.turn_items import TurnItems
from tests.builders import ANA, WIDE, a_turn, user
from tests.stores import Cloud, moto_cloud


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with moto_cloud() as cloud:
        yield cloud


def positions(cloud: Cloud, *, page_bytes: int, after: int = -1) -> tuple[list[int], bool]:
    texts = Texts(lambda: cloud.s3, bucket=cloud.bucket)
    table, items = Table(cloud.dynamodb, cloud.table), TurnItems(texts)
    sessions = DynamoSessions(table, items, texts, page_bytes=page_bytes)
    found, has_more = sessions.turns(ANA, "s", limit=100, after=after)
    return [turn.position for turn in found], has_more


def test_a_page_ends_with_the_turn_that_fills_it(cloud: Cloud) -> None:
    for position in range(4):
        turn = a_turn(f"t-{position}", position=position, messages=(user("é" * 20),))
        cloud.stores().turns.start(ANA, turn, WIDE, keep=True)
        ended = replace(turn, status="completed", text="x" * 20)
        cloud.stores().turns.finish(ANA, ended, keep=True, tokens=1)
    assert positions(cloud, page_bytes=1) == ([0], True)
    assert positions(cloud, page_bytes=60) == ([0], True)
    assert positions(cloud, page_bytes=61) == ([0, 1], True)
    assert positions(cloud, page_bytes=61, after=1) == ([2, 3], False)
    assert positions(cloud, page_bytes=1000) == ([0, 1, 2, 3], False)
