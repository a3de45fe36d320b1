"""Many streams at once through the laptop cloud: all of them come to their end."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.bench.figures import Figure, keep
from tests.bench.sse import Stream, post
from tests.e2e.cloud import Cloud, User, chat_body

STREAMS_A_USER = 4  # what the stage allows
COMMAND = "count 25 every 20"
ALONE_RUNS = 5


@pytest.fixture(scope="module")
def users(cloud: Cloud) -> Iterator[list[User]]:
    with ExitStack() as opened:
        yield [opened.enter_context(cloud.new_user()) for _ in range(100 // STREAMS_A_USER)]


@pytest.mark.parametrize("count", [20, 100])
def test_parallel_streams_all_come_to_their_end(users: list[User], count: int) -> None:
    alone = [_ask(users[0]) for _ in range(ALONE_RUNS)]
    with ThreadPoolExecutor(count) as threads:
        streams = list(threads.map(lambda n: _ask(users[n % len(users)]), range(count)))
    keep(f"{count} parallel streams", _figures(count, streams, alone))
    assert [s.events[-1:] for s in streams if not s.complete] == []


def _figures(count: int, streams: list[Stream], alone: list[Stream]) -> list[Figure]:
    done = sum(stream.complete for stream in streams)
    named = "one stream alone"
    complete = [stream for stream in streams if stream.complete]
    return [
        Figure(f"of {count} streams, complete", "", [done]),
        Figure(
            "first token",
            "ms",
            [s.first_token_ms for s in complete],
            named,
            [s.first_token_ms for s in alone],
        ),
        Figure(
            "gap between chunks",
            "ms",
            [gap for s in complete for gap in s.gaps_ms],
            named,
            [gap for s in alone for gap in s.gaps_ms],
        ),
        Figure(
            "whole reply",
            "ms",
            [s.arrived_ms[-1] for s in complete],
            named,
            [s.arrived_ms[-1] for s in alone],
        ),
    ]


def _ask(user: User) -> Stream:
    headers = {"authorization": f"Bearer {user.token}"}
    return post(f"{user.base_url}/chat/completions", chat_body(COMMAND, stream=True), headers)
