"""Access log lines of API Gateway: `$context.*` variables put into the stage's format."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

VARIABLE = re.compile(r"\$context\.([A-Za-z]\w*(?:[.:][A-Za-z]\w*)*)")
ABSENT = "-"


def render(line_format: str, variables: Mapping[str, Any]) -> str:
    """Fill the format; what is not known is a dash, as in AWS.

    Args:
        line_format: the stage's format, for instance `{"status":"$context.status"}`.
        variables: values by name without `$context.`; nested ones as nested mappings.
    """

    def value(match: re.Match[str]) -> str:
        found: Any = variables
        for part in match[1].split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        return ABSENT if found is None or isinstance(found, Mapping) else str(found)

    return VARIABLE.sub(value, line_format)


def log_group_of(destination_arn: str) -> str:
    return destination_arn.partition(":log-group:")[2].removesuffix(":*")


@dataclass(frozen=True)
class LogLine:
    """What is known of one call when its reply has ended."""

    api_id: str
    stage: str
    method: str
    path: str
    status: int
    length_bytes: int
    started_s: float
    ended_s: float
    request: Mapping[str, Any]
    event_context: Mapping[str, Any]
    integration_started_s: float | None = None
    error_type: str | None = None
    error_message: str | None = None

    def render(self, line_format: str) -> str:
        started = datetime.fromtimestamp(self.started_s, UTC)
        headers = self.request["headers"]
        caller = str(headers.get("x-forwarded-for", "127.0.0.1")).split(",")[0].strip()
        known: dict[str, Any] = {
            "apiId": self.api_id,
            "error": {
                "message": self.error_message,
                "messageString": self.error_message and f'"{self.error_message}"',
                "responseType": self.error_type,
            },
            "extendedRequestId": self.request["request_id"],
            "httpMethod": self.method,
            "identity": {"sourceIp": caller, "userAgent": headers.get("user-agent")},
            "integration": {"status": self.status if self.integration_started_s else None},
            "integrationStatus": self.status if self.integration_started_s else None,
            "path": f"/{self.stage}{self.path}",
            "protocol": "HTTP/1.1",
            "requestId": self.request["request_id"],
            "requestTime": started.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "requestTimeEpoch": int(self.started_s * 1000),
            "resourcePath": self.request["resource_path"] or None,
            "responseLatency": int((self.ended_s - self.started_s) * 1000),
            "responseLength": self.length_bytes,
            "stage": self.stage,
            "status": self.status,
        }
        return render(line_format, {**self.event_context, **known})
