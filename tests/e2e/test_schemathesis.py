"""Requests that schemathesis makes up out of the OpenAPI document: none may end in a 5xx."""

from collections.abc import Iterator

import hypothesis
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.e2e.cloud import MODEL, Cloud, User
from tests.e2e.document import DOCUMENT

EXAMPLES = 40
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

settings = hypothesis.settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
schema = schemathesis.openapi.from_dict(DOCUMENT, config=schemathesis.Config(seed=1))


@pytest.fixture(scope="module")
def fuzzer(cloud: Cloud) -> Iterator[User]:
    """A user of their own: what is made up here must not get into anyone's way."""
    with cloud.new_user() as user:
        yield user


def check(case: schemathesis.Case, user: User) -> None:
    case.call_and_validate(
        base_url=user.api_url,
        headers={"authorization": f"Bearer {user.token}"},
        checks=CHECKS,
        timeout=60,
    )


@schema.parametrize()  # type: ignore[untyped-decorator]
@settings
def test_no_request_ends_in_a_server_error(case: schemathesis.Case, fuzzer: User) -> None:
    check(case, fuzzer)


@schema.include(operation_id="createChatCompletion").parametrize()  # type: ignore[untyped-decorator]
@settings
def test_no_request_to_a_model_that_is_up_ends_in_a_server_error(
    case: schemathesis.Case, fuzzer: User
) -> None:
    if isinstance(case.body, dict) and isinstance(case.body.get("model"), str):
        case.body["model"] = MODEL
    check(case, fuzzer)
