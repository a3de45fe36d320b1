"""Refuses what web pages from elsewhere ask of the emulator.

It checks no signature and runs code, so any page that a developer visits could otherwise have its
own code run here. Programs send neither of the two headers by which browsers tell of a page.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from scripts.local.emulator.lifecycle import Application, Receive, Scope, Send

API = "/_aws/execute-api/"  # open to every page, as in AWS: it asks for a token
_THIS_MACHINE = {"localhost", "127.0.0.1", "::1"}
_REFUSAL = b"pages from elsewhere may call the deployed API only"


class ForeignPages:
    """Passes on what programs and the pages of this machine ask, and every call of the API."""

    def __init__(self, inner: Application) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        checked = scope["type"] == "http" and not scope["path"].startswith(API)
        if checked and is_foreign(scope["headers"]):
            headers = [(b"content-type", b"text/plain")]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            await send({"type": "http.response.body", "body": _REFUSAL})
            return
        await self._inner(scope, receive, send)


def is_foreign(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a browser says that a page of another site asks."""
    return any(
        (name == b"origin" and not _is_of_this_machine(value.decode("latin-1")))
        or (name == b"sec-fetch-site" and value == b"cross-site")
        for name, value in headers
    )


def _is_of_this_machine(origin: str) -> bool:
    try:
        return urlsplit(origin).hostname in _THIS_MACHINE
    except ValueError:  # brackets that hold no address
        return False
