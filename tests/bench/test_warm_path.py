"""A chat in a warm function: its CPU, and what each hop adds to the model's own first token."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bench import sdk_calls
from tests.bench.chat_function import FUNCTION_PYTHON, ChatFunction, Running
from tests.bench.figures import Bound, Figure, keep
from tests.bench.noop_route import noop_chat_url
from tests.bench.sse import Stream, post
from tests.e2e.cloud import Cloud, User, chat_body

RUNS = 40
WARM_UP = 5
CHATS_A_SAMPLE = 10
COMMAND = "count 20"
PACED = "count 25 every 20"
MOST = Bound("median", 15)
MODEL_PLUS_25 = Bound("difference", 25)

BareCalls = Callable[[int], dict[str, Any]]


@pytest.fixture
def running(chat_function: ChatFunction) -> Iterator[Running]:
    with chat_function.running() as running:
        for _ in range(WARM_UP):
            running.chat(COMMAND)
        yield running


@pytest.fixture
def bare_calls(chat_function: ChatFunction) -> BareCalls:
    """The AWS calls of a chat without the kit: see `sdk_calls`."""
    script = Path(sdk_calls.__file__)

    def made(rounds: int) -> dict[str, Any]:
        command = [str(FUNCTION_PYTHON), str(script), str(rounds)]
        done = subprocess.run(command, env=chat_function.variables, capture_output=True, check=True)
        figures: dict[str, Any] = json.loads(done.stdout)
        return figures

    return made


@pytest.fixture
def user(cloud: Cloud) -> Iterator[User]:
    with cloud.new_user() as user:
        yield user


def test_cpu_of_a_chat(running: Running, bare_calls: BareCalls) -> None:
    """The function's process alone; 20 chunks from the model, a turn stored, no session."""
    samples, bare = [], []
    for _ in range(RUNS // 2):
        samples.append(_cpu_of_chats_ms(running))
        bare.append(bare_calls(CHATS_A_SAMPLE)["cpu_ms"])
    named = "its AWS calls made bare"
    keep("warm chat", [Figure("function process, a chat", "CPU ms", samples, named, bare, MOST)])


def _cpu_of_chats_ms(running: Running) -> float:
    before = running.cpu_ms
    for _ in range(CHATS_A_SAMPLE):
        running.chat(COMMAND)
    return (running.cpu_ms - before) / CHATS_A_SAMPLE


def test_first_token(running: Running, bare_calls: BareCalls, model_url: str) -> None:
    """Before API Gateway: the application, and what its calls of AWS take without it."""
    ways: dict[str, Callable[[], Stream]] = {
        "model": lambda: _ask(f"{model_url}/v1/chat/completions"),
        "app": lambda: running.chat(COMMAND),
    }
    first: dict[str, list[float]] = {name: [] for name in (*ways, "bare")}
    for _ in range(RUNS // CHATS_A_SAMPLE):
        for name, streams in _in_turns(ways, runs=CHATS_A_SAMPLE).items():
            first[name] += [stream.first_token_ms for stream in streams]
        first["bare"] += bare_calls(CHATS_A_SAMPLE)["first_ms"]
    direct = ("model server itself", first["model"])
    keep(
        "first token",
        [
            Figure("ASGI app called directly", "ms", first["app"], *direct, MODEL_PLUS_25),
            Figure("its AWS calls made bare", "ms", first["bare"], *direct),
        ],
    )


def test_first_token_through_the_api(cloud: Cloud, user: User) -> None:
    noop_url = noop_chat_url(cloud)
    ways: dict[str, Callable[[], Stream]] = {
        "no-op": lambda: _ask(noop_url, user),
        "api": lambda: _ask(f"{user.base_url}/chat/completions", user),
    }
    _in_turns(ways, runs=1)
    taken = _in_turns(ways, runs=RUNS)
    first = {name: [s.first_token_ms for s in streams] for name, streams in taken.items()}
    noop = ("a no-op route", first["no-op"])
    keep("first token through the API", [Figure("laptop cloud", "ms", first["api"], *noop)])


def test_gaps_between_chunks(cloud: Cloud, model_url: str, user: User) -> None:
    ways: dict[str, Callable[[], Stream]] = {
        "model": lambda: _ask(f"{model_url}/v1/chat/completions", command=PACED),
        "api": lambda: _ask(f"{user.base_url}/chat/completions", user, PACED),
    }
    _in_turns(ways, runs=1)
    taken = _in_turns(ways, runs=8)
    gaps = {name: [gap for s in streams for gap in s.gaps_ms] for name, streams in taken.items()}
    own = ("model server itself", gaps["model"])
    keep(
        "gaps between chunks",
        [Figure("through the laptop cloud", "ms", gaps["api"], *own, Bound("ratio", 2.0))],
    )


def _in_turns(ways: dict[str, Callable[[], Stream]], *, runs: int) -> dict[str, list[Stream]]:
    """One call of each way, again and again: what else the machine does meets all of them."""
    taken: dict[str, list[Stream]] = {name: [] for name in ways}
    for _ in range(runs):
        for name, ask in ways.items():
            taken[name].append(ask())
    return taken


def _ask(url: str, user: User | None = None, command: str = COMMAND) -> Stream:
    headers = {"authorization": f"Bearer {user.token}"} if user else {}
    stream = post(url, chat_body(command, stream=True), headers)
    assert stream.complete, f"{url}: {stream.status}: {stream.events}"
    return stream
