"""What every SessionStore keeps to: the one in memory and the one on DynamoDB and S3."""

from dataclasses import replace

import pytest

from lambdas.core.errors import ConflictError, NotFoundError
from lambdas.core.turns import Turn
from tests.builders import ANA, BEN, WIDE, a_cut_turn, a_turn, user
from tests.stores import Stores

LONG = "Zürich 🙂 " * 4_000


def start(stores: Stores, turn: Turn) -> Turn:
    stores.turns.start(ANA, turn, WIDE, keep=True)
    return turn


def add(stores: Stores, turn: Turn, text: str = "hi") -> Turn:
    """Start and finish a turn."""
    start(stores, turn)
    ended = replace(turn, status="completed", finish_reason="stop", text=text)
    stores.turns.finish(ANA, ended, keep=True, tokens=1)
    return ended


def listed(stores: Stores, *, limit: int = 100, after: str | None = None) -> tuple[list[str], bool]:
    found, has_more = stores.sessions.sessions(ANA, limit=limit, after=after)
    return [session.id for session in found], has_more


def test_a_session_begins_with_its_first_turn_and_is_called_after_it(stores: Stores) -> None:
    turn = start(stores, a_turn(messages=(user("  What is\nthe  weather? " + "x" * 100),)))
    session = stores.sessions.session(ANA, "s")
    assert session is not None
    assert (session.id, session.turn_count) == ("s", 1)
    assert session.title == ("What is the weather? " + "x" * 100)[:80]
    assert session.created_at == turn.created_at
    assert session.updated_at >= turn.created_at


def test_a_later_turn_moves_the_session_but_does_not_rename_it(stores: Stores) -> None:
    add(stores, a_turn("t-0", messages=(user("first"),), created_at=1_000))
    add(stores, a_turn("t-1", position=1, messages=(user("second"),)))
    session = stores.sessions.session(ANA, "s")
    assert session is not None
    assert (session.title, session.turn_count, session.created_at) == ("first", 2, 1_000)


def test_a_session_whose_first_turn_says_nothing_has_an_empty_title(stores: Stores) -> None:
    add(stores, a_turn(messages=(user(""),)))
    session = stores.sessions.session(ANA, "s")
    assert session is not None
    assert session.title == ""


def test_the_retry_of_an_earlier_turn_does_not_shorten_the_session(stores: Stores) -> None:
    cut = start(stores, a_cut_turn("t-0"))
    add(stores, a_turn("t-1", position=1))
    again = add(stores, a_turn(cut.id, attempt=2), "made anew")
    session = stores.sessions.session(ANA, "s")
    assert session is not None
    assert session.turn_count == 2
    assert stores.turns.find(ANA, again.id) == again


def test_a_turn_without_a_session_shows_in_none(stores: Stores) -> None:
    add(stores, a_turn("alone", session_id=None))
    assert listed(stores) == ([], False)
    assert stores.sessions.session(ANA, "alone") is None


def test_sessions_come_by_last_use_newest_first(stores: Stores) -> None:
    for name in ("a", "b", "c"):
        add(stores, a_turn(f"{name}-0", session_id=name))
    add(stores, a_turn("a-1", session_id="a", position=1))
    assert listed(stores) == (["a", "c", "b"], False)


def test_the_end_of_a_turn_counts_as_use(stores: Stores) -> None:
    slow = start(stores, a_turn("a-0", session_id="a"))
    add(stores, a_turn("b-0", session_id="b"))
    stores.turns.finish(ANA, replace(slow, status="completed"), keep=True, tokens=1)
    assert listed(stores)[0] == ["a", "b"]


def test_sessions_are_paged_without_gaps_or_repeats(stores: Stores) -> None:
    for number in range(5):
        add(stores, a_turn(f"t-{number}", session_id=f"s-{number}"))
    assert listed(stores, limit=2) == (["s-4", "s-3"], True)
    assert listed(stores, limit=2, after="s-3") == (["s-2", "s-1"], True)
    assert listed(stores, limit=2, after="s-1") == (["s-0"], False)
    assert listed(stores, limit=2, after="s-0") == ([], False)


def test_a_full_last_page_says_that_there_is_no_more(stores: Stores) -> None:
    for number in range(4):
        add(stores, a_turn(f"t-{number}", session_id=f"s-{number}"))
    assert listed(stores, limit=2, after="s-2") == (["s-1", "s-0"], False)
    assert listed(stores, limit=4) == (["s-3", "s-2", "s-1", "s-0"], False)


def test_a_page_after_a_session_that_is_not_there_is_refused(stores: Stores) -> None:
    start(stores, a_turn())
    with pytest.raises(NotFoundError) as refused:
        listed(stores, after="nobody")
    assert refused.value.param == "after"
    with pytest.raises(NotFoundError):
        stores.sessions.sessions(BEN, limit=10, after="s")


def test_turns_are_paged_in_order(stores: Stores) -> None:
    turns = [add(stores, a_turn(f"t-{n}", position=n), f"reply {n}") for n in range(5)]
    assert stores.sessions.turns(ANA, "s", limit=2) == (turns[:2], True)
    assert stores.sessions.turns(ANA, "s", limit=2, after=1) == (turns[2:4], True)
    assert stores.sessions.turns(ANA, "s", limit=2, after=2) == (turns[3:], False)
    assert stores.sessions.turns(ANA, "s", limit=2, after=4) == ([], False)


def test_a_session_of_another_owner_does_not_exist(stores: Stores) -> None:
    turn = add(stores, a_turn())
    assert stores.sessions.session(BEN, "s") is None
    assert stores.sessions.sessions(BEN, limit=10) == ([], False)
    assert stores.sessions.turns(BEN, "s", limit=10) == ([], False)
    assert not stores.sessions.delete_session(BEN, "s")
    assert stores.turns.find(ANA, turn.id) == turn


def test_the_same_session_name_of_two_owners_is_two_sessions(stores: Stores) -> None:
    add(stores, a_turn("t-0", messages=(user("Ana's"),)))
    stores.turns.start(BEN, a_turn("t-0", messages=(user("Ben's " + LONG),)), WIDE, keep=True)
    stores.sessions.delete_session(ANA, "s")
    left = stores.sessions.session(BEN, "s")
    turn = stores.turns.find(BEN, "t-0")
    assert left is not None
    assert turn is not None
    assert turn.messages == (user("Ben's " + LONG),)


def test_a_deleted_session_leaves_nothing_behind(stores: Stores) -> None:
    for position in range(3):
        add(stores, a_turn(f"t-{position}", position=position))
    add(stores, a_turn("t-3", position=3, messages=(user(LONG),), system=LONG), LONG)
    assert stores.sessions.delete_session(ANA, "s")
    assert stores.leftovers() == []
    assert stores.turns.find(ANA, "t-0") is None
    assert list(stores.turns.newest_turns(ANA, "s")) == []
    assert listed(stores) == ([], False)
    assert not stores.sessions.delete_session(ANA, "s")


def test_the_texts_of_an_attempt_that_was_taken_over_go_with_the_session(stores: Stores) -> None:
    first = start(stores, a_cut_turn(messages=(user(LONG),)))
    stores.turns.save(ANA, replace(first, text=LONG))
    again = start(stores, a_turn(first.id, attempt=2, messages=first.messages))
    stores.turns.save(ANA, replace(again, text=LONG))
    stores.turns.save(ANA, replace(again, text=LONG + LONG))
    assert stores.sessions.delete_session(ANA, "s")
    assert stores.leftovers() == []


def test_deleting_one_session_leaves_the_others(stores: Stores) -> None:
    add(stores, a_turn("t-0", session_id="s", messages=(user(LONG),)))
    other = add(stores, a_turn("t-1", session_id="s2", messages=(user(LONG),)))
    stores.sessions.delete_session(ANA, "s")
    assert listed(stores) == (["s2"], False)
    assert stores.turns.find(ANA, "t-1") == other


@pytest.mark.parametrize("text", ["late", LONG], ids=["short", "long"])
def test_a_deleted_session_does_not_come_back_when_its_running_turn_goes_on(
    stores: Stores, text: str
) -> None:
    turn = start(stores, a_turn())
    assert stores.sessions.delete_session(ANA, "s")
    with pytest.raises(ConflictError):
        stores.turns.save(ANA, replace(turn, text=text))
    ended = replace(turn, status="completed", text=text)
    with pytest.raises(ConflictError):
        stores.turns.finish(ANA, ended, keep=True, tokens=1)
    assert stores.leftovers() == []
    assert stores.turns.request_stop(ANA, turn.id) is None
    assert stores.leftovers() == []


def test_a_deleted_session_can_begin_anew_under_its_name(stores: Stores) -> None:
    add(stores, a_turn("t-0", messages=(user("old"),)))
    stores.sessions.delete_session(ANA, "s")
    add(stores, a_turn("t-1", messages=(user("new"),)))
    session = stores.sessions.session(ANA, "s")
    assert session is not None
    assert (session.title, session.turn_count) == ("new", 1)
