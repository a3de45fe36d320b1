"""A plain client of server-sent events that notes when each event came."""

import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_S = 120


@dataclass
class Stream:
    """A reply read to its end; times are milliseconds since the request was sent."""

    status: int = 0
    events: list[Any] = field(default_factory=list)
    arrived_ms: list[float] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        return self.status == http.HTTPStatus.OK and self.events[-1:] == ["[DONE]"]

    @property
    def token_times_ms(self) -> list[float]:
        timed = zip(self.events, self.arrived_ms, strict=True)
        return [at for event, at in timed if _holds_text(event)]

    @property
    def first_token_ms(self) -> float:
        return self.token_times_ms[0]

    @property
    def gaps_ms(self) -> list[float]:
        return [later - earlier for earlier, later in pairwise(self.token_times_ms)]


def post(url: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Stream:
    """Send a request and read its events as they come; one connection, closed at the end."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
    stream = Stream()
    began = time.perf_counter()
    try:
        sent = {"content-type": "application/json", **(headers or {})}
        connection.request("POST", parts.path, json.dumps(body), sent)
        reply = connection.getresponse()
        stream.status = reply.status
        while line := reply.readline():
            if line.startswith(b"data: "):
                stream.arrived_ms.append((time.perf_counter() - began) * 1000)
                stream.events.append(_parsed(line[6:].strip()))
    finally:
        connection.close()
    return stream


def _parsed(data: bytes) -> Any:
    return "[DONE]" if data == b"[DONE]" else json.loads(data)


def _holds_text(event: Any) -> bool:
    choices = event.get("choices") if isinstance(event, dict) else None
    return bool(choices and choices[0]["delta"].get("content"))
