"""What the buffered functions have in common: whose data it is, errors, models."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from lambdas.core.generation import Usage
from lambdas.core.turns import Turn
from lambdas.wiring import services
from tests.builders import (
    ANA,
    BEN,
    SMALL,
    TOOLS,
    WIDE,
    a_turn,
)
from tests.rest_calls import call, wired
from tests.stores import Cloud, Stores

LONG = "x" * 40_000


@pytest.fixture(scope="module")
def process() -> Iterator[Cloud]:
    with wired() as cloud:
        yield cloud


@pytest.fixture
def cloud(process: Cloud) -> Cloud:
    process.empty()
    return process


@pytest.fixture
def stores(cloud: Cloud) -> Stores:
    return cloud.stores()


def add(stores: Stores, turn: Turn, text: str = "hi") -> Turn:
    stores.turns.start(ANA, turn, WIDE, keep=True)
    ended = replace(turn, status="completed", finish_reason="stop", text=text, usage=Usage(9, 1))
    stores.turns.finish(ANA, ended, keep=True, tokens=1)
    return ended


# Models


@pytest.mark.usefixtures("cloud")
def test_the_models_that_are_up_are_listed() -> None:
    answer = call("GET", "/v1/models")
    assert (answer.status, answer.json["object"]) == (200, "list")
    assert [model["id"] for model in answer.json["data"]] == [SMALL, TOOLS]
    for model in answer.json["data"]:
        assert model["object"] == "model"
        assert isinstance(model["created"], int)
        assert model["owned_by"]


@pytest.mark.usefixtures("cloud")
def test_one_model_is_shown_as_it_is_listed() -> None:
    shown = call("GET", f"/v1/models/{TOOLS}").json
    assert shown == call("GET", "/v1/models").json["data"][1]
    assert shown["kit"]["tools"] is True


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize("model_id", ["gpt-4", "flan-t5-base", "..", "%20", "x" * 5000])
def test_a_model_that_is_not_up_is_404(model_id: str) -> None:
    answer = call("GET", f"/v1/models/{model_id}")
    assert (answer.status, answer.error["code"]) == (404, "model_not_found")
    assert len(answer.body) < 2_000


@pytest.mark.usefixtures("cloud")
def test_the_models_function_needs_no_client_of_aws() -> None:
    services.cache_clear()
    assert call("GET", "/v1/models").status == 200
    assert {"turns", "sessions", "chat"}.isdisjoint(vars(services()))


# Whose it is


@pytest.mark.parametrize(
    ("method", "route"),
    [
        ("GET", "/v1/sessions/{}"),
        ("DELETE", "/v1/sessions/{}"),
        ("DELETE", "/v1/chat/completions/{}"),
    ],
)
@pytest.mark.parametrize("strange", ["nobody", "x" * 64, "x" * 65, "x" * 3000, "a.b", "a b", "ü"])
def test_anothers_id_and_nobodys_id_look_the_same(
    stores: Stores, method: str, route: str, strange: str
) -> None:
    turn = a_turn("bens", session_id="bens")
    stores.turns.start(BEN, turn, WIDE, keep=True)
    others = call(method, route.format("bens"))
    nobodys = call(method, route.format(strange))
    assert others.status == 404
    assert others == nobodys
    assert stores.turns.find(BEN, "bens") == turn
    assert not stores.turns.stop_requested(BEN, "bens")


def test_a_page_after_anothers_session_looks_like_one_after_nobodys(stores: Stores) -> None:
    stores.turns.start(BEN, a_turn("bens", session_id="bens"), WIDE, keep=True)
    add(stores, a_turn())
    for path in ("/v1/sessions", "/v1/sessions/s"):
        others = call("GET", path, query={"after": "bens"})
        assert others == call("GET", path, query={"after": "nobody"})
        assert others.status == 404


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize("sub", [None, ""])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/sessions"),
        ("GET", "/v1/sessions/s"),
        ("DELETE", "/v1/sessions/s"),
        ("DELETE", "/v1/chat/completions/c"),
    ],
)
def test_a_caller_without_verified_claims_is_refused(
    method: str, path: str, sub: str | None
) -> None:
    answer = call(method, path, sub=sub)
    assert (answer.status, answer.error["type"]) == (401, "authentication_error")


# Errors on their way out


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/sessions"),
        ("GET", "/v1/sessions/a/b"),
        ("GET", "/v2"),
        ("PUT", "/v1/models/x"),
    ],
)
def test_another_route_is_unknown(method: str, path: str) -> None:
    answer = call(method, path)
    assert (answer.status, answer.error["code"]) == (404, "unknown_url")


@pytest.mark.usefixtures("cloud")
def test_a_fault_that_nobody_foresaw_is_500_without_its_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KIT_TABLE_NAME", "no-such-table")
    services.cache_clear()
    try:
        answer = call("GET", "/v1/sessions/s")
    finally:
        services.cache_clear()
    assert answer.status == 500
    assert answer.error == {
        "message": "internal error; request r-1",
        "type": "server_error",
        "param": None,
        "code": "internal_error",
    }


@pytest.mark.usefixtures("cloud")
def test_browsers_may_read_every_answer() -> None:
    for answer in (call("GET", "/v1/models"), call("GET", "/v1/sessions/nobody")):
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "x-request-id" in answer.headers["access-control-expose-headers"]
