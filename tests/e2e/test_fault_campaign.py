"""Every kind of fault at random: throttled, failing, slow, call lost, answer lost, stream cut.

KIT_TEST_SEED repeats the random choices of a run; which call they meet depends on the threads.
"""

import os
import random
import secrets
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests import network_faults as faults
from tests.chat_calls import Asked, Heard
from tests.e2e.chat_function import Caller, FaultyAws, Shelf, faulty_aws
from tests.e2e.cloud import Cloud
from tests.fault_proxy import no_fault
from tests.network_faults import AwsCall, Fault
from tests.turn_ledger import discrepancies

CLIENTS = 10
SESSIONS_OF_A_CLIENT = 2
TURNS_OF_A_SESSION = 4
FAULTY = 0.15  # of all calls of a step; of the steps that are seldom called, more
FAULTY_SELDOM = {"save": 0.4, "put text": 0.4, "open model": 0.3}
STAYING = 0.4  # of those

_NETWORK: Sequence[Fault] = (faults.LoseCall(), faults.LoseAnswer(), faults.Delay(0.5))
_READS = (*_NETWORK, faults.THROTTLED, faults.OUT, faults.CutAnswer(30))
_TRANSACTIONS = (*_READS, faults.CONFLICT, faults.CROWDED, faults.Delay(3.5))
_TEXTS = (*_NETWORK, faults.S3_OUT, faults.S3_SLOW_DOWN, faults.CutAnswer(5000))
KINDS: Mapping[str, Sequence[Fault]] = {
    "start": _TRANSACTIONS,
    "finish": _TRANSACTIONS,
    "give back": _TRANSACTIONS,
    "save": _READS,
    "find": _READS,
    "look for a stop": _READS,
    "history": _READS,
    "put text": _TEXTS,
    "get text": _TEXTS,
    "open model": (
        *_NETWORK,
        faults.CutAnswer(3000),
        faults.CutAnswer(9000),
        faults.MODEL_BUSY,
        faults.MODEL_STARTING,
        faults.MODEL_OUT,
    ),
}
# Without these a run has shown nothing.
REQUIRED = (
    ("start", "answer lost"),
    ("start", "ProvisionedThroughputExceededException"),
    ("finish", "answer lost"),
    ("finish", "InternalServerError"),
    ("save", "ProvisionedThroughputExceededException"),
    ("put text", "SlowDown"),
    ("open model", "ThrottlingException"),
    ("open model", "answer cut"),
)


class Dice:
    """Decides call by call; some faults stay, so that no retry of that very call gets through."""

    def __init__(self, seed: str) -> None:
        self._rng = random.Random(f"{seed} dice")  # noqa: S311 no secret
        self._lock = threading.Lock()
        self._due: dict[str, list[Fault]] = {}
        self._staying: dict[bytes, Fault] = {}

    def choose(self, call: AwsCall) -> Fault | None:
        name = call.path.encode() + call.body
        with self._lock:
            if name in self._staying:
                return self._staying[name]
            share = FAULTY_SELDOM.get(call.step, FAULTY)
            if call.step not in KINDS or self._rng.random() > share:
                return None
            fault = (self._due.get(call.step) or self._shuffled(call.step)).pop()
            if self._rng.random() < STAYING and not isinstance(fault, faults.Delay):
                self._staying[name] = fault
            return fault

    def _shuffled(self, step: str) -> list[Fault]:
        """All kinds once before any comes again, the required first: a short run meets them."""
        kinds = list(KINDS[step])
        self._rng.shuffle(kinds)
        kinds.sort(key=lambda fault: (step, fault.name) in REQUIRED)  # taken from the end
        self._due[step] = kinds
        return kinds


@dataclass
class Client:
    """One user's calls, and what the table has of them."""

    caller: Caller
    shelf: Shelf
    calls: list[Heard] = field(default_factory=list)

    def ask(self, asked: Asked) -> Heard:
        heard = self.caller.ask(asked)
        self.calls.append(heard)
        if not heard.whole:
            self.shelf.end_leases(str(asked.session_id))
        return heard

    def talk(self, rng: random.Random) -> None:
        for _ in range(SESSIONS_OF_A_CLIENT):
            session_id = f"s-{rng.getrandbits(40):010x}"
            for number in range(TURNS_OF_A_SESSION):
                asked = question(rng, session_id, number)
                if not self.ask(asked).whole and rng.random() < 0.5:
                    self.ask(asked)  # as a client does that does not give up at once

    def books(self) -> dict[str, tuple[list[dict[str, Any]], list[Heard]]]:
        names = dict.fromkeys(str(call.asked.session_id) for call in self.calls)
        return {
            name: (
                self.caller.turns(name),
                [call for call in self.calls if call.asked.session_id == name],
            )
            for name in names
        }

    def discrepancies(self) -> list[str]:
        found = (discrepancies(turns, calls) for turns, calls in self.books().values())
        return [text for texts in found for text in texts]


def question(rng: random.Random, session_id: str, number: int) -> Asked:
    kind = rng.random()
    if kind < 0.2:
        text = " ".join(f"{rng.randrange(10**6)}" + "x" * 1000 for _ in range(36))
        command = f"echo every {rng.choice((0, 60))}: {text}"
    else:
        count, every_ms = rng.choice(((5, 0), (20, 10), (60, 50)))
        text = " ".join(map(str, range(1, count + 1)))
        command = f"count {count} every {every_ms}"
    name = f"{session_id}-{number}"
    return Asked(name, command, text, session_id, name, stream=rng.random() < 0.75)


@dataclass(frozen=True)
class Aftermath:
    clients: Sequence[Client]
    hits: Counter[tuple[str, str]]
    asked_of_aws: Counter[str]

    @property
    def calls(self) -> list[Heard]:
        return [call for client in self.clients for call in client.calls]


@pytest.fixture(scope="module")
def seed() -> str:
    return os.environ.get("KIT_TEST_SEED") or secrets.token_hex(4)


@pytest.fixture(scope="module")
def aws(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyAws]:
    with faulty_aws(cloud, tmp_path_factory.mktemp("function") / "chat.log") as aws:
        yield aws


@pytest.fixture(scope="module")
def aftermath(cloud: Cloud, aws: FaultyAws, seed: str) -> Iterator[Aftermath]:
    callers = [Caller(cloud.new_user(), aws.client) for _ in range(CLIENTS)]
    clients = [Client(caller, Shelf(cloud, caller)) for caller in callers]
    dice = [random.Random(f"{seed} client {number}") for number in range(CLIENTS)]  # noqa: S311
    aws.proxy.choose = Dice(seed).choose
    with ThreadPoolExecutor(CLIENTS) as threads:
        for work in [threads.submit(c.talk, rng) for c, rng in zip(clients, dice, strict=True)]:
            work.result()
    aws.proxy.choose = no_fault
    yield Aftermath(clients, aws.proxy.hits.copy(), aws.proxy.calls.copy())
    for client in clients:
        client.shelf.close()
        client.caller.user.client.close()


def test_every_acknowledged_turn_is_there_once_whatever_failed(
    aftermath: Aftermath, seed: str
) -> None:
    wrong = [text for client in aftermath.clients for text in client.discrepancies()]
    assert not wrong, "\n".join([f"KIT_TEST_SEED={seed}", *wrong])


def test_no_fault_of_aws_is_told_as_an_error_of_ours(aftermath: Aftermath) -> None:
    assert [call.error for call in aftermath.calls if call.code == "internal_error"] == []


def test_every_kind_of_fault_met_its_step(
    aftermath: Aftermath, seed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = aftermath.calls
    cut = sum(call.acknowledged and not call.whole for call in calls)
    head = (
        f"KIT_TEST_SEED={seed}: {len(calls)} calls, {sum(call.whole for call in calls)} answered"
        f" whole, {cut} cut, the rest refused"
    )
    with capsys.disabled():
        sys.stdout.write(f"\n{head}\n{table(aftermath)}\n")
    assert [pair for pair in REQUIRED if not aftermath.hits[pair]] == []


def table(aftermath: Aftermath) -> str:
    lines = [f"{'step':<17}{'calls':>6}  faults"]
    for step in KINDS:
        met = sorted((name, n) for (at, name), n in aftermath.hits.items() if at == step)
        told = ", ".join(f"{name} {n}" for name, n in met) or "-"
        lines.append(f"{step:<17}{aftermath.asked_of_aws[step]:>6}  {told}")
    return "\n".join(lines)


def test_a_retry_completes_every_cut_turn_and_tokens_are_counted_once(aftermath: Aftermath) -> None:
    """A model that broke off after its count has used tokens as well: those are counted too."""
    with ThreadPoolExecutor(CLIENTS) as threads:
        again = [call for calls in threads.map(retried, aftermath.clients) for call in calls]
    assert [(call.asked.mark, call.error) for call in again if not call.whole] == []
    for client in aftermath.clients:
        assert client.discrepancies() == []
        turns = [turn for stored, _ in client.books().values() for turn in stored]
        assert {turn["status"] for turn in turns} == {"completed"}
        if not any(call.code == "model_failed" for call in client.calls):
            used = sum(turn["usage"]["total_tokens"] for turn in turns)
            assert client.shelf.tokens_counted() == used


def retried(client: Client) -> list[Heard]:
    whole = {call.asked for call in client.calls if call.whole}
    rest = dict.fromkeys(call.asked for call in client.calls if call.asked not in whole)
    return [client.ask(asked) for asked in rest]
