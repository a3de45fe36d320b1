from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.local.launcher import logs


class FakeLogs:
    """Log groups with events; `add` is what happens between two looks."""

    def __init__(self, groups: dict[str, list[tuple[int, str]]]) -> None:
        self.groups = groups

    def get_paginator(self, call: str) -> "FakeLogs":
        self._call = call
        return self

    def paginate(self, **options: Any) -> Iterator[dict[str, Any]]:
        if not options:
            yield {"logGroups": [{"logGroupName": name} for name in self.groups]}
            return
        events = self.groups[options["logGroupName"]]
        found = [(at, text) for at, text in events if at >= options["startTime"]]
        yield {"events": [{"timestamp": at, "message": text} for at, text in found]}


def test_events_of_all_functions_of_the_stage_come_in_the_order_of_time() -> None:
    client = FakeLogs(
        {
            "/aws/lambda/kit-local-chat": [(1, "one\n"), (3, "three\n")],
            "/aws/lambda/kit-local-models": [(2, "two\n")],
            "/aws/lambda/another": [(1, "not ours")],
        }
    )
    assert list(logs.of_functions(client, follow=False)) == [
        "kit-local-chat  one",
        "kit-local-models  two",
        "kit-local-chat  three",
    ]


def test_following_functions_prints_each_event_once() -> None:
    events = [(1, "one")]
    client = FakeLogs({"/aws/lambda/kit-local-chat": events})
    found = logs.of_functions(client, follow=True, pause=lambda _: events.append((2, "two")))
    assert [next(found), next(found)] == ["kit-local-chat  one", "kit-local-chat  two"]


def test_following_a_file_prints_what_is_added_and_survives_its_replacement(tmp_path: Path) -> None:
    log = tmp_path / "emulator.log"
    log.write_text("a long first line\n")
    steps = iter(["a long first line\nsecond\n", "new\n"])

    def pause(_: float) -> None:
        log.write_text(next(steps))

    found = logs.of_file(log, follow=True, pause=pause)
    assert [next(found) for _ in range(3)] == ["a long first line", "second", "new"]
