"""The HTTP edge: errors to statuses, bodies to requests."""

import json
import logging

import pytest

from lambdas.core import errors
from lambdas.core.chat_request import ChatRequest
from lambdas.core.errors import InvalidRequestError, KitError, LimitExceededError, UnavailableError
from lambdas.functions import http

WITH_TIME = {LimitExceededError, UnavailableError}


def every_subclass(kind: type[KitError]) -> list[type[KitError]]:
    """Those that a function can raise; the command line has its own, which no caller sees."""
    found = [each for sub in kind.__subclasses__() for each in (sub, *every_subclass(sub))]
    return [each for each in found if each.__module__.startswith("lambdas.")]


def an_error(kind: type[KitError]) -> KitError:
    if kind in WITH_TIME:
        return kind("message", retry_after_s=9)  # type: ignore[call-arg]
    return kind("message")


@pytest.mark.parametrize("kind", every_subclass(KitError), ids=lambda kind: kind.__name__)
def test_every_error_has_a_status_and_openais_shape(kind: type[KitError]) -> None:
    answer = http.failure(an_error(kind), "r-1")
    assert answer.status == next(http.STATUS[k] for k in kind.__mro__ if k in http.STATUS)
    (fields,) = answer.body.values()
    assert set(json.loads(answer.data)["error"]) == {"message", "type", "param", "code"}
    assert isinstance(fields, dict)
    assert answer.headers["x-request-id"] == "r-1"
    assert 400 <= answer.status < 600


def test_the_table_holds_no_class_that_is_none_of_ours() -> None:
    assert set(http.STATUS) <= set(every_subclass(KitError))
    assert len(set(http.STATUS.values())) == len(http.STATUS)


def test_a_new_kind_of_an_error_is_treated_as_the_kind_above_it() -> None:
    class TooLongError(InvalidRequestError):
        code = "too_long"

    answer = http.failure(TooLongError("no", param="messages"), "r-1")
    assert answer.status == 400
    assert json.loads(answer.data)["error"]["code"] == "too_long"


def test_a_fault_of_the_operator_is_told_to_the_log_only(caplog: pytest.LogCaptureFixture) -> None:
    error = errors.ConfigurationError("table kit-dev is gone")
    answer = http.failure(error, "r-1")
    assert answer.status == 500
    assert b"kit-dev" not in answer.data
    assert "kit-dev" in caplog.text


@pytest.mark.parametrize(("wait_s", "patient"), [(120, True), (121, False)])
def test_a_client_is_told_not_to_wait_longer_than_it_would(wait_s: int, *, patient: bool) -> None:
    headers = http.failure(UnavailableError("asleep", retry_after_s=wait_s), "r-1").headers
    assert headers["retry-after"] == str(wait_s)
    assert ("x-should-retry" not in headers) == patient


def test_a_refusal_is_logged_without_the_text_of_the_user(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "kit")
    http.failure(InvalidRequestError("they said: secret"), "r-1")
    assert caplog.records
    assert not [record for record in caplog.records if "secret" in repr(vars(record))]


def test_a_body_that_breaks_several_rules_names_the_first_and_tells_three() -> None:
    with pytest.raises(InvalidRequestError) as refused:
        http.body_as(
            ChatRequest, b'{"messages": [{"role": "x"}], "top_p": 9, "n": "a", "seed": 1e99}'
        )
    assert refused.value.param
    assert str(refused.value).count(";") == 2


def test_a_body_that_is_no_json_names_no_field() -> None:
    with pytest.raises(InvalidRequestError) as refused:
        http.body_as(ChatRequest, b"{")
    assert refused.value.param is None
    assert str(refused.value).startswith("body: ")


@pytest.mark.parametrize("context", [None, [], "x", {}, {"requestId": None}])
def test_a_context_without_a_request_id_gets_a_dash(context: object) -> None:
    assert http.request_id_of(context) == "-"
