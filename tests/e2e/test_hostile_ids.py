"""Ids and queries that no honest client sends: not found or refused, never a fault of ours."""

import pytest

from tests.e2e.cloud import User
from tests.e2e.refusals import LONGEST_REFUSAL, refused

IDS = {
    "a NUL": "%00",
    "a new line": "a%0Ab",
    "an escape": "%1B%5B31m",
    "half a character": "%C3",
    "a slash": "a%2Fb",
    "the folder above": "..%2F..",
    "a hash": "s%23T%2300000000",
    "a percent": "%25",
    "a blank": "%20",
    "Greek": "%CF%83",
    "a quote": "%22%27",
    "a lot": "x" * 3000,
    "a star": "*",
    "a brace": "%7Bsession_id%7D",
}


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/sessions/"),
        ("DELETE", "/v1/sessions/"),
        ("DELETE", "/v1/chat/completions/"),
        ("GET", "/v1/models/"),
    ],
)
def test_an_id_that_cannot_be_is_not_found(ana: User, method: str, path: str, name: str) -> None:
    reply = ana.client.request(method, f"{path}{IDS[name]}")
    assert reply.status_code in {400, 404}, reply.text[:500]
    assert len(reply.content) < LONGEST_REFUSAL
    assert set(reply.json()["error"]) == {"message", "type", "param", "code"}


LIMITS = [
    "0",
    "-1",
    "101",
    "1e2",
    "1.5",
    "ten",
    "",
    "%00",
    "\u0661",
    "\u00b2",
    "0x10",
    "9" * 5000,
    "NaN",
    "+1",
]


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit[:9] or "empty")
@pytest.mark.parametrize("path", ["/v1/sessions", "/v1/sessions/paged"])
def test_a_page_size_that_cannot_be_is_refused(ana: User, path: str, limit: str) -> None:
    assert ana.ask("echo: hello", kit={"session_id": "paged"}).status_code in {200, 409}
    refused(ana.get(f"{path}?limit={limit}"), param="limit")


@pytest.mark.parametrize("after", IDS)
@pytest.mark.parametrize("path", ["/v1/sessions", "/v1/sessions/paged"])
def test_nothing_comes_after_an_id_that_cannot_be(newcomer: User, path: str, after: str) -> None:
    assert newcomer.ask("echo: hello", kit={"session_id": "paged"}).status_code == 200
    refused(newcomer.get(f"{path}?after={IDS[after]}"), 404, "after")


@pytest.mark.parametrize("query", ["unknown=1", "limit=5&limit=5", "=", "&&&", "limit=5;after=x"])
def test_a_strange_query_breaks_nothing(ana: User, query: str) -> None:
    assert ana.get(f"/v1/sessions?{query}").status_code in {200, 400, 404}
