"""What API Gateway itself answers, in the error shape of OpenAI's API."""

import json
from dataclasses import dataclass

from aws_cdk import aws_apigateway as apigateway

# Filled in by API Gateway, quotes included.
_ITS_OWN_MESSAGE = "$context.error.messageString"

_HEADERS = {
    "x-request-id": "context.requestId",
    # Tokens travel in a header, never in a cookie, so any page may read why it was refused.
    "Access-Control-Allow-Origin": "'*'",
    "Access-Control-Expose-Headers": "'x-request-id,retry-after'",
}


@dataclass(frozen=True)
class GatewayError:
    """One kind of refusal; without `message`, API Gateway's own words are passed on."""

    code: str
    type: str
    status: int | None = None
    message: str | None = None
    retry_after_s: int | None = None

    @property
    def body(self) -> str:
        message = json.dumps(self.message) if self.message else _ITS_OWN_MESSAGE
        rest = json.dumps({"type": self.type, "param": None, "code": self.code})
        return f'{{"error": {{"message": {message}, {rest[1:-1]}}}}}'

    @property
    def headers(self) -> dict[str, str]:
        again = {"retry-after": f"'{self.retry_after_s}'"} if self.retry_after_s else {}
        return _HEADERS | again


# The types are those of `lambdas/functions/http.py`, so that a client sees one API.
_CALLER = "invalid_request_error"
_SIGN_IN = "authentication_error"
_SLOW_DOWN = "rate_limit_error"
_OURS = "server_error"
_UNKNOWN_URL = GatewayError(
    "unknown_url", "not_found_error", 404, "No such route; GET /v1/models lists the models."
)

GATEWAY_ERRORS = {
    "DEFAULT_4XX": GatewayError("invalid_request", _CALLER),
    "DEFAULT_5XX": GatewayError("internal_error", _OURS),
    "UNAUTHORIZED": GatewayError(
        "invalid_api_key", _SIGN_IN, 401, "The token is missing or not valid; sign in again."
    ),
    "EXPIRED_TOKEN": GatewayError(
        "invalid_api_key", _SIGN_IN, 401, "The token has expired; sign in again."
    ),
    "ACCESS_DENIED": GatewayError("access_denied", _CALLER, 403, "You may not do this."),
    "WAF_FILTERED": GatewayError(
        "request_blocked", _CALLER, 403, "The request was blocked by the firewall's rules."
    ),
    "THROTTLED": GatewayError(
        "rate_limit_exceeded", _SLOW_DOWN, 429, "Too many requests a second.", 1
    ),
    "QUOTA_EXCEEDED": GatewayError(
        "quota_exceeded", _SLOW_DOWN, 429, "The quota of this API key is used up.", 3600
    ),
    "REQUEST_TOO_LARGE": GatewayError(
        "request_too_large", _CALLER, 413, "The request body is too large."
    ),
    "INTEGRATION_TIMEOUT": GatewayError(
        "timeout", _OURS, 504, "The answer took too long; ask for it streamed."
    ),
    "MISSING_AUTHENTICATION_TOKEN": _UNKNOWN_URL,
    "RESOURCE_NOT_FOUND": _UNKNOWN_URL,
    # No route is signed with IAM keys: a signature is only looked for when no route was found, and
    # then a bearer token is a faulty one.
    "INVALID_SIGNATURE": _UNKNOWN_URL,
}


def add_gateway_errors(api: apigateway.RestApi) -> None:
    for kind, error in GATEWAY_ERRORS.items():
        api.add_gateway_response(
            "".join(part.capitalize() for part in kind.split("_")),
            type=apigateway.ResponseType.of(kind),
            status_code=str(error.status) if error.status else None,
            response_headers=error.headers,
            templates={"application/json": error.body},
        )
