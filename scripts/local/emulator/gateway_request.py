"""A gateway request as a web function gets it, and its reply's headers as the caller gets them."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from scripts.local.emulator.http_exchange import Header
from scripts.local.emulator.web_function import WebFunction

REQUEST_LIMIT_BYTES = 6 * 1024 * 1024
HOP_BY_HOP = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# Only the adapter may say who calls; a client's own copies are dropped.
ADAPTER_HEADERS = frozenset({"x-amzn-request-context", "x-amzn-lambda-context"})
REMAPPED = frozenset({"date", "server"})


@dataclass(frozen=True)
class GatewayRequest:
    """A request as API Gateway passes it on, after its own checks."""

    method: str
    path: str
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str | Sequence[str]]
    body: bytes
    context: Mapping[str, Any]

    @property
    def request_id(self) -> str:
        return str(self.context["requestId"])

    @property
    def target(self) -> str:
        path = quote(self.path, safe="/:@!$&'()*+,;=-._~")
        return f"{path}?{urlencode(self.query, doseq=True)}" if self.query else path


def request_headers(function: WebFunction, request: GatewayRequest) -> list[Header]:
    """What the web process is sent: the client's headers, and the adapter's own two."""
    dropped = HOP_BY_HOP | ADAPTER_HEADERS
    headers = [
        (name.encode("latin-1"), _header_bytes(value))
        for name, values in request.headers.items()
        if name.lower() not in dropped
        for value in ([values] if isinstance(values, str) else values)
    ]
    lambda_context = {
        "request_id": request.request_id,
        "deadline": int((time.time() + function.timeout_s) * 1000),
        "invoked_function_arn": function.arn,
        "xray_trace_id": None,
        "client_context": None,
        "identity": None,
        "env_config": {
            "function_name": function.name,
            "memory": function.memory_mb,
            "version": function.version,
            "log_stream": "",
            "log_group": f"/aws/lambda/{function.name}",
        },
    }
    headers.append((b"x-amzn-request-context", _json_bytes(request.context)))
    headers.append((b"x-amzn-lambda-context", _json_bytes(lambda_context)))
    return headers


def reply_headers(headers: Sequence[Header], request_id: str) -> dict[str, str | list[str]]:
    """What the caller gets: hop-by-hop headers out, `date` and `server` renamed as in AWS."""
    replied: dict[str, str | list[str]] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        if name in HOP_BY_HOP - {"content-length"}:
            continue
        name = f"x-amzn-remapped-{name}" if name in REMAPPED else name
        earlier = replied.get(name)
        if earlier is None:
            replied[name] = value
        else:
            replied[name] = [*([earlier] if isinstance(earlier, str) else earlier), value]
    replied["x-amzn-requestid"] = request_id
    return replied


def _header_bytes(value: str) -> bytes:
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode()


def _json_bytes(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
