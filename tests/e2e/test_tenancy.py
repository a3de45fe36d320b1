"""Nobody sees, changes or even notices what is another's: every place for an id, in every route.

The tables say what each place names. A route, a parameter or a field of `kit` that is new in the
OpenAPI document and has no row here fails the first test.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.e2e.cloud import MODEL, User, chat_body, said
from tests.e2e.document import DOCUMENT, ROUTES, Route

OWNED_SESSION, OWNED_TURN = "a session", "a turn"  # of one user: anyone else's are not there
EVERYONES = "everyone's"
A_NUMBER = "a number"

PLACES = {
    ("GET /health", None): EVERYONES,
    ("GET /v1/models", None): EVERYONES,
    ("GET /v1/models/{model_id}", "model_id"): EVERYONES,
    ("POST /v1/chat/completions", "kit.session_id"): OWNED_SESSION,
    ("POST /v1/chat/completions", "kit.client_turn_id"): OWNED_TURN,
    ("DELETE /v1/chat/completions/{completion_id}", "completion_id"): OWNED_TURN,
    ("GET /v1/sessions", "limit"): A_NUMBER,
    ("GET /v1/sessions", "after"): OWNED_SESSION,
    ("GET /v1/sessions/{session_id}", "session_id"): OWNED_SESSION,
    ("GET /v1/sessions/{session_id}", "limit"): A_NUMBER,
    ("GET /v1/sessions/{session_id}", "after"): OWNED_TURN,
    ("DELETE /v1/sessions/{session_id}", "session_id"): OWNED_SESSION,
}
LOOKED_UP = [
    (route, place)
    for route in ROUTES
    for place in (*route.in_path, *route.in_query)
    if PLACES.get((route.name, place)) in {OWNED_SESSION, OWNED_TURN}
]
NOBODYS = {OWNED_SESSION: "nobody-diary", OWNED_TURN: f"chatcmpl-{0:032x}"}
SECRET = "the-heron-flies-at-noon"
PER_CALL = {"x-request-id", "x-amzn-requestid", "x-amz-request-id", "date"}


@dataclass(frozen=True)
class Diary:
    """What Ana has: a session, a turn in it, and both as she sees them."""

    owner: User
    session_id: str
    turn_id: str

    def ids(self) -> dict[str, str]:
        return {OWNED_SESSION: self.session_id, OWNED_TURN: self.turn_id}

    def shown(self) -> tuple[Any, Any]:
        sessions = self.owner.get("/v1/sessions").json()["data"]
        (session,) = [s for s in sessions if s["id"] == self.session_id]
        return session, self.owner.get(f"/v1/sessions/{self.session_id}").json()


def kept(owner: User, session_id: str, text: str) -> Diary:
    first = owner.ask(f"echo: {text}", kit={"session_id": session_id, "client_turn_id": "one"})
    assert said(first) == text
    assert owner.ask("echo: again", kit={"session_id": session_id}).status_code == 200
    return Diary(owner, session_id, first.json()["id"])


@pytest.fixture(scope="module")
def anas(ana: User) -> Diary:
    return kept(ana, "ana-of-diary", SECRET)


@pytest.fixture(scope="module")
def bens(ben: User) -> Diary:
    return kept(ben, "ben-of-diary", "nothing to hide")


@pytest.fixture
def unchanged(anas: Diary) -> Iterator[None]:
    before = anas.shown()
    yield
    assert anas.shown() == before


def places_of(route: Route) -> set[tuple[str, str | None]]:
    in_kit = DOCUMENT["components"]["schemas"]["KitOptions"]["properties"] if route.has_body else ()
    names: list[str] = [*route.in_path, *route.in_query, *(f"kit.{name}" for name in in_kit)]
    return {(route.name, name) for name in names} or {(route.name, None)}


def test_every_place_for_an_id_has_a_row() -> None:
    assert set(PLACES) == set().union(*map(places_of, ROUTES))


def called(caller: User, route: Route, place: str, value: str, own: Diary) -> httpx.Response:
    """A call with `value` in one place and the caller's own ids in all others."""
    named = {name: own.ids().get(PLACES[route.name, name], "") for name in route.in_path}
    query = {place: value} if place in route.in_query else {}
    path = route.with_ids({**named, place: value})
    return caller.client.request(route.method, path, params=query)


def what_is_told(reply: httpx.Response) -> tuple[int, list[tuple[str, str]], bytes]:
    """All that a caller could compare, but for what names the call itself."""
    headers = [(name, text) for name, text in reply.headers.items() if name not in PER_CALL]
    return reply.status_code, headers, reply.content


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(("route", "place"), LOOKED_UP, ids=lambda v: getattr(v, "name", v))
def test_an_id_of_another_and_an_id_of_nobody_are_the_same_404(
    ben: User, anas: Diary, bens: Diary, route: Route, place: str
) -> None:
    kind = PLACES[route.name, place]
    others = called(ben, route, place, anas.ids()[kind], bens)
    nobodys = called(ben, route, place, NOBODYS[kind], bens)
    assert others.status_code == 404
    assert what_is_told(others) == what_is_told(nobodys)


@pytest.mark.parametrize(("route", "place"), LOOKED_UP, ids=lambda v: getattr(v, "name", v))
def test_the_same_call_by_the_owner_finds_it(newcomer: User, route: Route, place: str) -> None:
    own = kept(newcomer, "own-of-diary", "mine")
    kind = PLACES[route.name, place]
    assert called(newcomer, route, place, own.ids()[kind], own).status_code == 200


@pytest.mark.usefixtures("unchanged")
def test_a_session_of_the_same_name_is_another_one(ben: User, anas: Diary) -> None:
    seen = json.loads(said(ben.ask("messages?", kit={"session_id": anas.session_id})))
    assert seen == [{"role": "user", "content": "messages?"}]
    turns = ben.get(f"/v1/sessions/{anas.session_id}").json()["turns"]["data"]
    assert [turn["position"] for turn in turns] == [0]
    assert ben.delete(f"/v1/sessions/{anas.session_id}").status_code == 200


@pytest.mark.usefixtures("unchanged")
def test_a_client_turn_id_of_another_finds_nothing(ben: User, anas: Diary) -> None:
    kit = {"session_id": anas.session_id, "client_turn_id": "one"}
    reply = ben.ask(f"echo: {SECRET}", kit=kit)
    assert reply.status_code == 200
    assert reply.json()["id"] != anas.turn_id
    assert ben.delete(f"/v1/sessions/{anas.session_id}").status_code == 200


def test_a_list_holds_the_caller_s_own_sessions_only(
    ana: User, ben: User, anas: Diary, bens: Diary
) -> None:
    listed = {user: user.get("/v1/sessions", params={"limit": 100}).text for user in (ana, ben)}
    assert anas.session_id in listed[ana]
    assert bens.session_id not in listed[ana]
    assert bens.session_id in listed[ben]
    assert SECRET not in listed[ben]


def test_the_models_are_the_same_for_everyone(ana: User, ben: User) -> None:
    for path in ("/v1/models", f"/v1/models/{MODEL}"):
        assert ana.get(path).content == ben.get(path).content


@contextmanager
def running(owner: User) -> Iterator[str]:
    """A turn that runs until the block ends; yields its id."""
    body = chat_body("count 2000 every 50", stream=True)
    with owner.client.stream("POST", "/v1/chat/completions", json=body) as reply:
        lines = reply.iter_lines()
        turn_id: str = json.loads(next(lines).removeprefix("data: "))["id"]
        yield turn_id
        assert owner.delete(f"/v1/chat/completions/{turn_id}").status_code == 200
        assert [line for line in lines if line][-1] == "data: [DONE]"


def test_a_running_turn_of_another_cannot_be_stopped(newcomer: User, ben: User) -> None:
    with running(newcomer) as turn_id:
        others = ben.delete(f"/v1/chat/completions/{turn_id}")
        nobodys = ben.delete(f"/v1/chat/completions/{NOBODYS[OWNED_TURN]}")
        assert others.status_code == 404
        assert what_is_told(others) == what_is_told(nobodys)
        state = newcomer.delete(f"/v1/chat/completions/{turn_id}").json()["kit"]["status"]
        assert state == "running"
