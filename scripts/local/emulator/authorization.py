"""`GET /_kit/authorize`: may the holder of this access key do this action on this resource?

The local SageMaker runtime is a process of its own, and asks here what IAM says of its caller:

    /_kit/authorize?access_key=ASIA...&action=sagemaker:InvokeEndpoint&resource=arn:aws:...
    -> 200 {"allowed": true}
"""

import json
from collections.abc import Callable
from urllib.parse import parse_qs

from scripts.local.emulator.lifecycle import Application, Receive, Scope, Send

PATH = "/_kit/authorize"
QUESTION = ("access_key", "action", "resource")


class Authorization:
    """Answers the question, and passes all other requests on."""

    def __init__(self, inner: Application, is_allowed: Callable[[str, str, str], bool]) -> None:
        self._inner = inner
        self._is_allowed = is_allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH:
            await self._inner(scope, receive, send)
            return
        asked = parse_qs(scope["query_string"].decode())
        missing = [name for name in QUESTION if name not in asked]
        if missing:
            await _answer(send, 400, {"missing": missing})
            return
        access_key, action, resource = (asked[name][0] for name in QUESTION)
        await _answer(send, 200, {"allowed": self._is_allowed(access_key, action, resource)})


async def _answer(send: Send, status: int, document: dict[str, object]) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(document).encode()})
