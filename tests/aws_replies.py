"""Replies of AWS that a client gets in place of real ones: botocore parses them as its own."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

Fault = Callable[[Any], AWSResponse]


class _Body:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self._data


def refusal(code: str, message: str = "", *, status: int = 400, **fields: Any) -> Fault:
    """An error reply of a service that speaks JSON."""
    body = {"__type": f"com.amazonaws#{code}", "message": message, "Message": message, **fields}
    return reply(status, json.dumps(body).encode(), **{"x-amzn-errortype": code})


def xml_refusal(code: str, *, status: int = 503) -> Fault:
    """An error reply of S3."""
    return reply(status, f"<Error><Code>{code}</Code><Message>m</Message></Error>".encode())


def cancelled(*reasons: str) -> Fault:
    """A transaction that DynamoDB did not carry out, with a reason for each step."""
    fields = [{"Code": reason, "Message": reason} for reason in reasons]
    return refusal("TransactionCanceledException", "cancelled", CancellationReasons=fields)


def reply(status: int, body: bytes, **headers: str) -> Fault:
    named = HTTPHeaders.from_dict(headers)
    return lambda request: AWSResponse(request.url, status, named, _Body(body))


def broken(error: Exception) -> Fault:
    """A connection that breaks."""

    def breaks(_: Any) -> AWSResponse:
        raise error

    return breaks


@contextmanager
def replying(client: Any, operation: str, faults: Sequence[Fault]) -> Iterator[list[str]]:
    """Answer the next calls of `operation` with `faults`, in order; later ones go through.

    Yields the names of the calls seen so far, those that went through too.
    """
    left, seen = list(faults), list[str]()
    event = f"before-send.{client.meta.service_model.service_id.hyphenize()}.{operation}"

    def answer(request: Any, **_: Any) -> AWSResponse | None:
        seen.append(operation)
        if not left:
            return None
        request.url = "http://nowhere"  # botocore asks moto too: it must not know the address
        return left.pop(0)(request)

    client.meta.events.register_first(event, answer)
    try:
        yield seen
    finally:
        client.meta.events.unregister(event, answer)
