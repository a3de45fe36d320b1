"""Log lines are JSON objects, one a line."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from lambdas.functions.logs import JsonLines


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    log = logging.getLogger("kit.test")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    yield stream
    log.removeHandler(handler)


def lines(stream: io.StringIO) -> list[Any]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_holds_the_message_and_what_extra_gives(written: io.StringIO) -> None:
    logging.getLogger("kit.test").info("answered %d", 5, extra={"turn_id": "t", "tokens": 3})
    (line,) = lines(written)
    assert line["timestamp"]
    del line["timestamp"]
    assert line == {"level": "INFO", "message": "answered 5", "turn_id": "t", "tokens": 3}


def test_a_trace_stays_on_its_line(written: io.StringIO) -> None:
    error = RuntimeError("it\nbroke")
    logging.getLogger("kit.test").error("unhandled", exc_info=error)
    (line,) = lines(written)
    assert line["exception"].endswith("RuntimeError: it\nbroke")


def test_what_is_no_json_is_written_as_text(written: io.StringIO) -> None:
    logging.getLogger("kit.test").info("x", extra={"path": {1, 2}.__class__})
    assert lines(written)[0]["path"] == "<class 'set'>"
