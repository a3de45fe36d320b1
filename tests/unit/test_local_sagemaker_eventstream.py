"""Our event stream encoder against botocore's decoder."""

import json
from typing import Any

from botocore.eventstream import EventStreamBuffer
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.local.sagemaker import eventstream

parts = st.lists(st.binary(max_size=300), max_size=8)


@settings(deadline=None)
@given(parts, st.lists(st.integers(min_value=1, max_value=50), min_size=1))
def test_parts_come_back_however_the_bytes_are_cut(sent: list[bytes], cuts: list[int]) -> None:
    wire = b"".join(map(eventstream.payload_part, sent))
    buffer = EventStreamBuffer()
    received: list[Any] = []
    at = 0
    for number in range(len(wire)):
        size = cuts[number % len(cuts)]
        buffer.add_data(wire[at : at + size])
        received += [(event.headers, event.payload) for event in buffer]
        at += size
    headers = {
        ":message-type": "event",
        ":event-type": "PayloadPart",
        ":content-type": "application/octet-stream",
    }
    assert received == [(headers, part) for part in sent]


@settings(deadline=None)
@given(st.text())
def test_an_exception_keeps_its_name_and_message(message: str) -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(eventstream.exception("ModelStreamError", {"Message": message}))

    event: Any = next(buffer)
    assert event.headers[":exception-type"] == "ModelStreamError"
    assert event.headers[":message-type"] == "exception"
    assert json.loads(event.payload) == {"Message": message}
