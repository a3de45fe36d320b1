"""The HTTP edge: errors to statuses, in OpenAI's shape, and the verified caller."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from lambdas.core import errors
from lambdas.core.api_objects import ErrorFields
from lambdas.core.errors import InvalidRequestError, KitError, UnauthenticatedError
from lambdas.core.identity import Owner

STATUS: dict[type[KitError], int] = {
    errors.InvalidRequestError: HTTPStatus.BAD_REQUEST,
    errors.UnauthenticatedError: HTTPStatus.UNAUTHORIZED,
    errors.NotFoundError: HTTPStatus.NOT_FOUND,
    errors.ConflictError: HTTPStatus.CONFLICT,
    errors.LimitExceededError: HTTPStatus.TOO_MANY_REQUESTS,
    errors.ModelFailedError: HTTPStatus.BAD_GATEWAY,
    errors.UnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.ConfigurationError: HTTPStatus.INTERNAL_SERVER_ERROR,
}
_TYPES: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "authentication_error",
    HTTPStatus.NOT_FOUND: "not_found_error",
    HTTPStatus.CONFLICT: "conflict_error",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_error",
}
# OpenAI's clients wait no longer than this for a retry; beyond it they are told not to try.
LONGEST_RETRY_AFTER_S = 120
# Browsers may read replies from any page: what opens the door is the token, not the origin.
CORS_HEADERS = {
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "x-request-id, retry-after",
}

# Of a field that a caller made up: what they sent is not sent back to them at length.
LONGEST_NAME = 64

log = logging.getLogger("kit")
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    body: Mapping[str, object]
    headers: Mapping[str, str]

    @property
    def data(self) -> bytes:
        return json.dumps(self.body, ensure_ascii=False).encode()


def body_as(schema: type[M], body: bytes | str) -> M:
    """Parse a request body; the one place where a ValidationError is the caller's fault."""
    try:
        return schema.model_validate_json(body)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        told = "; ".join(f"{_path(f['loc']) or 'body'}: {f['msg']}" for f in faults[:3])
        raise InvalidRequestError(told, param=_path(faults[0]["loc"]) or None) from error


def owner_of(request_context: object) -> Owner:
    """The caller, from the claims that API Gateway's authorizer has verified.

    Raises:
        UnauthenticatedError: there are none.
    """
    authorizer = _entry(request_context, "authorizer")
    return Owner.from_claims(_entry(authorizer, "claims"))


def parsed_context(header: bytes | None) -> object:
    """The request context that Lambda Web Adapter puts into a header; it drops a client's own."""
    try:
        return json.loads(header or b"null")
    except (ValueError, RecursionError) as error:
        raise UnauthenticatedError("the request context is not JSON") from error


def request_id_of(request_context: object) -> str:
    return str(_entry(request_context, "requestId") or "-")


def reply_headers(request_id: str) -> dict[str, str]:
    return {"x-request-id": request_id, **CORS_HEADERS}


def failure(error: KitError, request_id: str) -> Response:
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return unexpected(error, request_id)
    log.info("refused", extra={"request_id": request_id, "status": status, "code": error.code})
    headers = {**reply_headers(request_id), **_retry_headers(error)}
    return Response(status, {"error": error_fields(error, status)}, headers)


def unexpected(error: BaseException, request_id: str) -> Response:
    """The caller learns nothing but the request id; the trace goes into the log."""
    log.error("unhandled", exc_info=error, extra={"request_id": request_id})
    message = f"internal error; request {request_id}"
    fields: ErrorFields = {
        "message": message,
        "type": "server_error",
        "param": None,
        "code": "internal_error",
    }
    return Response(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": fields}, reply_headers(request_id))


def error_fields(error: KitError, status: int) -> ErrorFields:
    fallback = "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else None
    kind = _TYPES.get(status) or fallback or "invalid_request_error"
    return {"message": str(error), "type": kind, "param": error.param, "code": error.code}


def _retry_headers(error: KitError) -> dict[str, str]:
    retry_after_s = getattr(error, "retry_after_s", None)
    if retry_after_s is None:
        return {}
    patient = {} if retry_after_s <= LONGEST_RETRY_AFTER_S else {"x-should-retry": "false"}
    return {"retry-after": str(retry_after_s), **patient}


def _entry(mapping: object, name: str) -> object:
    return mapping.get(name) if isinstance(mapping, Mapping) else None


def _path(location: tuple[int | str, ...]) -> str:
    return ".".join(str(step)[:LONGEST_NAME] for step in location)
