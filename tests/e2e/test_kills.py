"""Kill -9 of the chat function, the model server and the SageMaker runtime, 50 times at random.

KIT_TEST_SEED repeats the random choices of a run; what the kills hit still depends on the machine.
"""

import os
import secrets
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.chat_calls import Asked, Heard
from tests.e2e.cloud import Cloud, User
from tests.e2e.crowd import CUT_TURNS_OF_A_USER, Crowd, Member
from tests.e2e.kill_campaign import Kill, Killer, Target, hits, table
from tests.e2e.victims import (
    Respawned,
    kill_chat_function,
    noted_pid,
    sagemaker_runtime,
    scripted_model,
    wait_until,
)
from tests.turn_ledger import discrepancies, mark_of

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are found by /proc")

Sessions = Mapping[str, list[dict[str, Any]]]

LEASES_END_WITHIN_S = 90
RETRIED = 12  # of the turns that were cut
GONE_ON = 3  # of the users whose turns were cut


@dataclass(frozen=True)
class Watched:
    """A turn whose function was killed after someone had seen it in its session."""

    member: Member
    asked: Asked
    seen_text: str


@dataclass(frozen=True)
class Aftermath:
    """What the crowd asked, what was killed, and the sessions once no turn runs any more."""

    crowd: Crowd
    kills: list[Kill]
    watched: Watched
    sessions: Sessions

    @property
    def cut(self) -> dict[Asked, Member]:
        """Turns that were cut and whose client can name them again."""
        calls = [(call, member) for member in self.crowd.members for call in member.cut]
        return {call.asked: member for call, member in calls if call.asked.client_turn_id}

    def discrepancies(self, sessions: Sessions) -> list[str]:
        calls = {name: made for m in self.crowd.members for name, made in m.by_session().items()}
        found = (discrepancies(turns, calls[name]) for name, turns in sessions.items())
        return [text for texts in found for text in texts]


@pytest.fixture(scope="module")
def seed() -> str:
    return os.environ.get("KIT_TEST_SEED") or secrets.token_hex(4)


@pytest.fixture(scope="module")
def aftermath(cloud: Cloud, model_url: str, seed: str) -> Iterator[Aftermath]:
    emulator_pid = noted_pid(cloud.folder, "emulator")
    model, killable_url = scripted_model()
    runtime = sagemaker_runtime(cloud.folder, killable_url)
    try:
        with closing(Crowd(cloud.new_user, seed)) as crowd:
            with crowd:
                others: dict[Target, Respawned] = {
                    "model server": model,
                    "SageMaker runtime": runtime,
                }
                killer = Killer(crowd, emulator_pid, others, seed)
                killer.kill_all()
            wait_until(lambda: model.is_ready and runtime.is_ready, "all that was killed is back")
            watched = cut_while_watched(Member(cloud.new_user()), emulator_pid)
            crowd.members.append(watched.member)
            yield Aftermath(crowd, killer.kills, watched, sessions_at_rest(crowd.members))
    finally:
        model.end()
        runtime.end()
        cloud.up(model_url=model_url)


def cut_while_watched(member: Member, emulator_pid: int) -> Watched:
    """Kill the function of a stream once a part of its text is in the session."""
    text = " ".join(map(str, range(1, 301)))
    asked = Asked("the watched turn", "count 300 every 50", text, "watched", "watched-0")
    client = threading.Thread(target=member.ask, args=(asked,))
    client.start()
    wait_until(lambda: text_of(member.user), "a part of the text is stored", tick_s=0.2)
    seen_text = text_of(member.user)
    kill_chat_function(emulator_pid)
    client.join()
    return Watched(member, asked, seen_text)


def text_of(user: User) -> str:
    turns = turns_of(user, "watched")
    return str(turns[0]["reply"]["content"]) if turns else ""


def turns_of(user: User, session_id: str) -> list[dict[str, Any]]:
    reply = user.get(f"/v1/sessions/{session_id}?limit=100")
    if reply.status_code == 404:
        return []
    assert reply.status_code == 200, reply.text
    turns: list[dict[str, Any]] = reply.json()["turns"]["data"]
    return turns


def sessions_at_rest(members: list[Member]) -> Sessions:
    """All sessions, once none of their turns runs: leases of killed functions have run out."""
    return {name: at_rest(m.user, name) for m in members for name in m.by_session()}


def at_rest(user: User, session_id: str) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = []

    def is_at_rest() -> bool:
        turns[:] = turns_of(user, session_id)
        return all(turn["status"] != "running" for turn in turns)

    wait_until(is_at_rest, f"no turn of {session_id} runs", LEASES_END_WITHIN_S, tick_s=0.5)
    return turns


def test_every_acknowledged_turn_is_there_once_and_a_cut_one_with_what_was_generated(
    aftermath: Aftermath, seed: str
) -> None:
    wrong = aftermath.discrepancies(aftermath.sessions)
    assert not wrong, "\n".join([f"KIT_TEST_SEED={seed}", *wrong])


def test_the_kills_hit_turns_in_every_window(
    aftermath: Aftermath, seed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = {mark_of(turn) for turns in aftermath.sessions.values() for turn in turns}
    calls = aftermath.crowd.calls
    found = hits(aftermath.kills, calls, kept)
    with capsys.disabled():
        whole = sum(call.whole for call in calls)
        head = f"KIT_TEST_SEED={seed}: {len(calls)} calls, {whole} answered whole"
        sys.stdout.write(f"\n{head}\n{table(found, aftermath.kills)}\n")
    assert len(aftermath.kills) == 50
    for target in ("chat function", "model server"):
        assert found[target, "before first token"], f"{target}: never before the first token"
        assert found[target, "while streaming"], f"{target}: never while streaming"


def test_a_turn_whose_function_was_killed_keeps_what_was_stored_of_it(
    aftermath: Aftermath,
) -> None:
    (turn,) = aftermath.sessions["watched"]
    assert turn["status"] == "interrupted"
    assert turn["reply"]["content"].startswith(aftermath.watched.seen_text)


def test_a_retry_with_its_client_id_completes_a_cut_turn(aftermath: Aftermath) -> None:
    retried = list(aftermath.cut.items())[:RETRIED]
    again = asked_at_once([(member, asked) for asked, member in retried])
    assert [(call.asked.mark, call.error) for call in again if not call.whole] == []
    sessions = {str(a.session_id): at_rest(m.user, str(a.session_id)) for a, m in retried}
    assert aftermath.discrepancies(sessions) == []


def test_sessions_go_on_after_cut_turns_and_no_stream_of_a_killed_function_counts(
    aftermath: Aftermath,
) -> None:
    """As many turns as a user may run at once, though as many of theirs were killed."""
    members = [m for m in aftermath.crowd.members if len(m.cut) >= CUT_TURNS_OF_A_USER][:GONE_ON]
    assert members
    for member in members:
        names = list(dict.fromkeys(str(call.asked.session_id) for call in member.cut))
        more = [
            Asked(f"{name} goes on", "slow first 300 then echo: on", "on", name)
            for name in names[:CUT_TURNS_OF_A_USER]
        ]
        again = asked_at_once([(member, asked) for asked in more])
        assert [call.error for call in again if not call.whole] == []
        sessions = {name: at_rest(member.user, name) for name in names}
        assert aftermath.discrepancies(sessions) == []


def asked_at_once(pairs: list[tuple[Member, Asked]]) -> list[Heard]:
    with ThreadPoolExecutor(CUT_TURNS_OF_A_USER) as clients:
        return list(clients.map(lambda pair: pair[0].ask(pair[1]), pairs))
