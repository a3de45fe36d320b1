"""The resolver that the buffered functions share: routes in, OpenAI-shaped answers out."""

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError as NoRouteError

from lambdas.core.errors import InvalidRequestError, KitError, NotFoundError
from lambdas.core.identity import Owner
from lambdas.functions import http
from lambdas.functions.logs import write_json_lines

MOST_ON_A_PAGE = 100
DEFAULT_PAGE = 20
_DIGITS = re.compile("[0-9]{1,3}")

Event = dict[str, Any]


class Rest(APIGatewayRestResolver):
    """Powertools' router with our error table; a reply is a dict and always JSON."""

    def __init__(self) -> None:
        super().__init__()
        write_json_lines()
        self.exception_handler(KitError)(self._refused)
        self.exception_handler(Exception)(self._broke)
        self.not_found(self._no_route)

    @property
    def request_id(self) -> str:
        return http.request_id_of(self._context)

    @property
    def owner(self) -> Owner:
        return http.owner_of(self._context)

    @property
    def _context(self) -> Mapping[str, Any]:
        context: Mapping[str, Any] = self.current_event.raw_event.get("requestContext") or {}
        return context

    def ok(self, body: Mapping[str, object]) -> Response[str]:
        headers = http.reply_headers(self.request_id)
        return _response(http.Response(HTTPStatus.OK, body, headers))

    def page_size(self) -> int:
        """The query's `limit`.

        Raises:
            InvalidRequestError: not a whole number from 1 to 100.
        """
        text = self.current_event.query_string_parameters.get("limit", str(DEFAULT_PAGE))
        if not (_DIGITS.fullmatch(text) and 1 <= int(text) <= MOST_ON_A_PAGE):
            raise InvalidRequestError(
                f"limit is {text[:40]!r}; 1 to {MOST_ON_A_PAGE} is allowed", param="limit"
            )
        return int(text)

    def after(self) -> str | None:
        return self.current_event.query_string_parameters.get("after") or None

    def _refused(self, error: KitError) -> Response[str]:
        return _response(http.failure(error, self.request_id))

    def _broke(self, error: Exception) -> Response[str]:
        return _response(http.unexpected(error, self.request_id))

    def _no_route(self, _: NoRouteError) -> Response[str]:
        return self._refused(NotFoundError("unknown route", code="unknown_url"))


def _response(answer: http.Response) -> Response[str]:
    return Response(
        status_code=answer.status,
        content_type="application/json",
        body=json.dumps(answer.body, ensure_ascii=False),
        headers=dict(answer.headers),
    )
