"""The buffered functions, called with API Gateway's events."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from lambdas.core.settings import Settings
from lambdas.functions import models, sessions
from lambdas.wiring import services
from tests.builders import (
    SMALL,
    TOOLS,
    a_rest_event,
)
from tests.stores import Cloud, moto_cloud


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        fields: dict[str, Any] = self.json["error"]
        return fields


@contextmanager
def wired() -> Iterator[Cloud]:
    """The environment of the functions on moto; what they have wired once is kept."""
    with moto_cloud() as cloud, pytest.MonkeyPatch.context() as environment:
        settings = Settings(
            stage="test",
            table_name=cloud.table,
            text_bucket_name=cloud.bucket,
            models=(SMALL, TOOLS),
        )
        for name, value in settings.to_env().items():
            environment.setenv(name, value)
        services.cache_clear()
        yield cloud
        services.cache_clear()


def call(
    method: str, path: str, *, sub: str | None = "ana", query: dict[str, str] | None = None
) -> Answer:
    """Send a request to the function that has its route."""
    function = models if path.startswith("/v1/models") else sessions
    reply = function.handler(a_rest_event(method, path, sub=sub, query=query), None)
    assert set(reply) >= {"statusCode", "body"}
    assert reply["isBase64Encoded"] is False
    headers = {k.lower(): ",".join(v) for k, v in reply["multiValueHeaders"].items()}
    assert headers["content-type"] == "application/json"
    assert headers["x-request-id"] == "r-1"
    return Answer(reply["statusCode"], headers, reply["body"])
