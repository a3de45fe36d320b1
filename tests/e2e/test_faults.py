"""The chat function while DynamoDB, S3 and SageMaker are throttled, fail, or lose answers."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests import network_faults as faults
from tests.chat_calls import Asked, Heard
from tests.e2e.chat_function import Caller, FaultyAws, Shelf, faulty_aws
from tests.e2e.cloud import Cloud
from tests.fault_proxy import Choose, FaultProxy, no_fault
from tests.network_faults import AwsCall, Fault
from tests.turn_ledger import discrepancies

SESSION = "s"
COUNTED = "1 2 3 4 5 6 7 8 9 10"
SLOWLY = "count 70 every 50"  # 3.5 s: time for a look and a save
SLOWLY_COUNTED = " ".join(map(str, range(1, 71)))
LONG_WORDS = " ".join(f"{n:02}" + "x" * 2000 for n in range(40))  # beyond what an item takes


def on(step: str, fault: Fault, times: int = 1_000_000, *, after: int = 0) -> Choose:
    """Do that to a step, `times` times, once it has been let through `after` times."""
    met = 0

    def choose(call: AwsCall) -> Fault | None:
        nonlocal met
        if call.step != step:
            return None
        met += 1
        return fault if after < met <= after + times else None

    return choose


@dataclass(frozen=True)
class Scene:
    """A new user at the function, what the table keeps of them, and what fails on the way."""

    caller: Caller
    shelf: Shelf
    proxy: FaultProxy

    def ask(self, command: str = "count 10", text: str = COUNTED, **fields: Any) -> Heard:
        asked = Asked(
            f"mark {command[:20]}", command, text, SESSION, **{"client_turn_id": "c", **fields}
        )
        return self.caller.ask(asked)

    def again(self, heard: Heard) -> Heard:
        return self.caller.ask(heard.asked)

    def turns(self, *calls: Heard) -> list[dict[str, Any]]:
        """The turns of the session, which agree with what was heard."""
        turns = self.caller.turns(SESSION)
        assert discrepancies(turns, calls) == []
        return turns

    def turn(self, *calls: Heard) -> dict[str, Any]:
        (turn,) = self.turns(*calls)
        return turn


@pytest.fixture(scope="module")
def aws(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyAws]:
    with faulty_aws(cloud, tmp_path_factory.mktemp("function") / "chat.log") as aws:
        yield aws


@pytest.fixture
def scene(cloud: Cloud, aws: FaultyAws) -> Iterator[Scene]:
    with cloud.new_user() as user:
        caller = Caller(user, aws.client)
        shelf = Shelf(cloud, caller)
        yield Scene(caller, shelf, aws.proxy)
    aws.proxy.choose = no_fault
    shelf.close()


def test_a_start_whose_answer_is_lost_is_asked_again_and_makes_one_turn(scene: Scene) -> None:
    scene.proxy.choose = on("start", faults.LoseAnswer(), times=2)
    heard = scene.ask()
    assert heard.whole
    assert scene.turn(heard)["status"] == "completed"
    assert len(scene.shelf.items("M#")) == 1


def test_a_start_whose_every_answer_is_lost_is_refused_and_a_retry_makes_the_turn_once(
    scene: Scene,
) -> None:
    scene.proxy.choose = on("start", faults.LoseAnswer())
    heard = scene.ask()
    assert (heard.status, heard.code) == (503, "store_busy")
    scene.proxy.choose = no_fault
    scene.shelf.end_leases(SESSION)
    again = scene.again(heard)
    assert again.whole
    assert scene.turn(heard, again)["status"] == "completed"


def test_a_finish_whose_answer_is_lost_ends_the_turn_and_counts_its_tokens_once(
    scene: Scene,
) -> None:
    scene.proxy.choose = on("finish", faults.LoseAnswer(), times=2)
    heard = scene.ask()
    assert heard.whole
    turn = scene.turn(heard)
    assert turn["status"] == "completed"
    assert scene.shelf.tokens_counted() == turn["usage"]["total_tokens"]
    assert scene.shelf.streams_claimed() == []


@pytest.mark.parametrize("step", ["start", "finish"])
@pytest.mark.parametrize(
    "fault",
    [faults.THROTTLED, faults.OUT, faults.CONFLICT, faults.CROWDED, faults.LoseCall()],
    ids=lambda fault: fault.name,
)
def test_a_transaction_that_fails_for_a_moment_is_made_again(
    scene: Scene, step: str, fault: Fault
) -> None:
    scene.proxy.choose = on(step, fault, times=1)
    heard = scene.ask()
    assert heard.whole
    assert scene.turn(heard)["status"] == "completed"


def test_a_finish_that_is_answered_too_late_ends_the_turn_once(scene: Scene) -> None:
    scene.proxy.choose = on("finish", faults.Delay(3.5), times=1)
    heard = scene.ask()
    assert heard.whole
    turn = scene.turn(heard)
    assert (turn["status"], turn["reply"]["content"]) == ("completed", COUNTED)
    assert scene.shelf.tokens_counted() == turn["usage"]["total_tokens"]


def test_tokens_flow_while_every_save_and_every_look_is_throttled(scene: Scene) -> None:
    refused_at: list[float] = []

    def choose(call: AwsCall) -> Fault | None:
        if call.step not in {"save", "look for a stop"}:
            return None
        refused_at.append(time.monotonic())
        return faults.THROTTLED

    scene.proxy.choose = choose
    heard = scene.ask(SLOWLY, SLOWLY_COUNTED)
    assert heard.whole
    assert heard.all_text_at is not None
    assert refused_at[0] < heard.all_text_at
    assert scene.turn(heard)["status"] == "completed"


def test_a_stream_goes_on_while_its_long_text_cannot_be_put_away(scene: Scene) -> None:
    """The question's text is put at the start, the answer's from the first save on."""
    scene.proxy.choose = on("put text", faults.S3_SLOW_DOWN, times=3, after=1)
    heard = scene.ask(f"echo every 100: {LONG_WORDS}", LONG_WORDS)
    assert heard.whole
    assert scene.proxy.hits["put text", "SlowDown"] == 3
    assert scene.turn(heard)["status"] == "completed"


def test_a_long_question_that_cannot_be_put_away_is_refused_and_leaves_nothing(
    scene: Scene,
) -> None:
    scene.proxy.choose = on("put text", faults.S3_OUT)
    heard = scene.ask(f"echo: {LONG_WORDS}", LONG_WORDS)
    assert (heard.status, heard.code) == (503, "store_busy")
    assert scene.turns() == []
    assert scene.shelf.streams_claimed() == []


def test_a_long_answer_that_cannot_be_put_away_ends_with_an_error_and_reads_interrupted(
    scene: Scene,
) -> None:
    scene.proxy.choose = on("put text", faults.S3_OUT, after=1)
    heard = scene.ask(f"echo: {LONG_WORDS}", LONG_WORDS)
    _assert_cut_by_the_store(scene, heard)


def test_a_store_that_is_down_at_the_finish_leaves_the_turn_interrupted_until_a_retry(
    scene: Scene,
) -> None:
    scene.proxy.choose = on("finish", faults.OUT)
    heard = scene.ask()
    _assert_cut_by_the_store(scene, heard)
    scene.proxy.choose = no_fault
    again = scene.again(heard)
    assert again.whole
    assert scene.turn(heard, again)["status"] == "completed"
    assert len(scene.shelf.streams_claimed()) <= 1  # of the first attempt; dropped when it matters


def _assert_cut_by_the_store(scene: Scene, heard: Heard) -> None:
    assert heard.status == 200
    assert (heard.done, heard.code) == (False, "store_busy")
    scene.shelf.end_leases(SESSION)
    assert scene.turn(heard)["status"] == "interrupted"


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (faults.MODEL_BUSY, 503, "model_busy"),
        (faults.MODEL_STARTING, 503, "model_waking"),
        (faults.MODEL_OUT, 502, "model_failed"),
        (faults.LoseCall(), 503, "model_unavailable"),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_a_model_call_that_fails_is_refused_and_leaves_nothing(
    scene: Scene, fault: Fault, status: int, code: str
) -> None:
    scene.proxy.choose = on("open model", fault)
    heard = scene.ask()
    assert (heard.status, heard.code) == (status, code)
    assert scene.turns(heard) == []
    assert scene.shelf.streams_claimed() == []
    scene.proxy.choose = no_fault
    assert scene.again(heard).whole


def test_an_event_stream_that_is_cut_in_a_frame_fails_the_turn_with_what_had_come(
    scene: Scene,
) -> None:
    scene.proxy.choose = on("open model", faults.CutAnswer(after_bytes=2500), times=1)
    heard = scene.ask(SLOWLY, SLOWLY_COUNTED)
    assert (heard.status, heard.done, heard.code) == (200, False, "model_failed")
    turn = scene.turn(heard)
    assert (turn["status"], turn["reply"]["content"]) == ("failed", heard.text)
    assert heard.text != ""
    assert scene.shelf.streams_claimed() == []


def test_a_refusal_that_cannot_be_taken_back_reads_interrupted_and_the_session_goes_on(
    scene: Scene,
) -> None:
    refuse_model = on("open model", faults.MODEL_BUSY, times=2)
    lose_store = on("give back", faults.OUT)
    scene.proxy.choose = lambda call: refuse_model(call) or lose_store(call)
    heard = scene.ask()
    assert heard.status == 503
    scene.proxy.choose = no_fault
    scene.shelf.end_leases(SESSION)
    again = scene.again(heard)
    assert again.whole
    assert scene.turn(again)["status"] == "completed"
