"""curl shows tokens as the model makes them: nothing on the way gathers them first."""

import itertools
import json
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.e2e.cloud import User, chat_body

TOKENS = 20
EVERY_MS = 60


@pytest.fixture(scope="module")
def curl() -> str:
    found = shutil.which("curl")
    if found is None:
        pytest.skip("curl is not installed")
    return found


def command(curl: str, url: str, user: User, body: dict[str, Any] | None = None) -> list[str]:
    words = [curl, "-sS", "--no-buffer", "--noproxy", "*", f"{url}/chat/completions"]
    words += ["-H", f"authorization: Bearer {user.token}", "-H", "content-type: application/json"]
    return [
        *words,
        "-d",
        json.dumps(body or chat_body(f"count {TOKENS} every {EVERY_MS}", stream=True)),
    ]


def arrivals(words: list[str]) -> Iterator[tuple[float, bytes]]:
    """What curl writes, each piece with the moment at which it came."""
    with subprocess.Popen(words, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdout is not None
        while part := process.stdout.read(65536):
            yield time.monotonic(), part
    assert process.returncode == 0


def token_gaps_s(words: list[str]) -> list[float]:
    moments = [at for at, part in arrivals(words) if b'"content"' in part]
    return [later - earlier for earlier, later in itertools.pairwise(moments)]


def test_tokens_arrive_one_by_one(curl: str, ana: User) -> None:
    parts = [part for _, part in arrivals(command(curl, ana.base_url, ana))]
    with_tokens = [part for part in parts if b'"content"' in part]
    assert len(with_tokens) >= TOKENS // 2
    assert b"".join(parts).endswith(b"data: [DONE]\n\n")


def test_the_way_adds_no_more_than_the_model_s_own_gap(
    curl: str, ana: User, model_url: str
) -> None:
    """Both streams at once, so that a busy machine slows both."""
    commands = [command(curl, url, ana) for url in (ana.base_url, model_url)]
    with ThreadPoolExecutor(2) as both:
        gaps, own = both.map(token_gaps_s, commands)
    assert statistics.median(gaps) <= 2 * statistics.median(own)


def test_an_event_is_one_line_and_a_blank_one(curl: str, ana: User) -> None:
    text = b"".join(part for _, part in arrivals(command(curl, ana.base_url, ana))).decode()
    *events, end, rest = text.split("\n\n")
    assert (end, rest) == ("data: [DONE]", "")
    for event in events:
        assert "\n" not in event
        assert json.loads(event.removeprefix("data: "))["object"] == "chat.completion.chunk"
