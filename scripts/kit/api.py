"""A thin client of the public API: JSON calls and server-sent events."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lambdas.core.errors import KitError

if TYPE_CHECKING:
    import httpx

_TIMEOUT_S = 900  # the longest that a chat function runs
_OK = 200


class ApiError(KitError):
    """The API said no; the message is its own."""


class Api:
    """Calls one stage as one user."""

    def __init__(self, client: "httpx.Client") -> None:
        self._client = client

    @classmethod
    def of(cls, base_url: str, token: str, *, is_local: bool) -> "Api":
        import httpx

        return cls(
            httpx.Client(
                base_url=base_url.rstrip("/") + "/",
                headers={"authorization": f"Bearer {token}"},
                timeout=httpx.Timeout(_TIMEOUT_S, connect=10),
                trust_env=not is_local,  # no proxy between this machine and itself
            )
        )

    def models(self) -> list[str]:
        """Ids of the models that the stage offers."""
        with _reaching(self._client):
            reply = _checked(self._client.get("models"))
        return [str(model["id"]) for model in reply["data"]]

    def complete(self, body: dict[str, Any]) -> dict[str, Any]:
        """One reply as a whole."""
        with _reaching(self._client):
            return _checked(self._client.post("chat/completions", json=body))

    def stream(self, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Chunks of one reply as they arrive.

        Raises:
            ApiError: refused, failed after the first byte, or cut before its end.
        """
        body = {**body, "stream": True, "stream_options": {"include_usage": True}}
        with (
            _reaching(self._client),
            self._client.stream("POST", "chat/completions", json=body) as response,
        ):
            if response.status_code != _OK:
                response.read()
                _checked(response)
            yield from chunks(response.iter_lines())


def chunks(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Read server-sent events of one `data:` line each, up to `[DONE]`; comments are skipped."""
    for line in lines:
        if not line.startswith("data:"):
            continue
        data = line.removeprefix("data:").strip()
        if data == "[DONE]":
            return
        chunk: dict[str, Any] = json.loads(data)
        if chunk.get("error"):
            raise ApiError(str(chunk["error"]["message"]), code=chunk["error"].get("code"))
        yield chunk
    raise ApiError("the connection ended before the reply did")


@contextmanager
def _reaching(client: "httpx.Client") -> Iterator[None]:
    """Say in one line that the network, not the API, has failed."""
    import httpx

    try:
        yield
    except httpx.TransportError as error:
        raise ApiError(f"{client.base_url} cannot be reached: {error}") from error


def _checked(response: "httpx.Response") -> dict[str, Any]:
    try:
        body: dict[str, Any] = response.json()
    except ValueError as error:
        raise ApiError(f"status {response.status_code}: {response.text[:200]!r}") from error
    if response.status_code == _OK:
        return body
    fault = body.get("error") or {"message": json.dumps(body)}
    where = f" (param {fault['param']})" if fault.get("param") else ""
    raise ApiError(f"{response.status_code}: {fault['message']}{where}", code=fault.get("code"))
