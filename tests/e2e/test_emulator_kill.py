"""Kill -9 of the emulator itself: `kit local up` goes on from the last snapshot."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from scripts.local.launcher.processes import command_line
from tests.chat_calls import Asked, Heard, ask
from tests.e2e.cloud import Cloud, User
from tests.e2e.victims import chat_function_pid, noted_pid, wait_until
from tests.emulated import Emulator

SNAPSHOT_WITHIN_S = 90
LONG_WORDS = " ".join(f"{n:02}" + "x" * 2000 for n in range(20))  # beyond what an item takes
ROUNDS = 2
WRITING = "*.writing"

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are found by /proc")


def newest_snapshot(folder: Path) -> dict[str, bytes]:
    """Its files; empty where there is none, or a newer one has just taken its place."""
    with suppress(FileNotFoundError, ValueError):
        newest = max(path for path in folder.iterdir() if path.name.isdigit())
        return {path.stem: path.read_bytes() for path in newest.iterdir()}
    return {}


def said(user: User, session_id: str, command: str, text: str) -> Heard:
    heard = Heard(Asked(f"{session_id} {command[:20]}", command, text, session_id))
    ask(user.client, heard)
    return heard


@dataclass
class Returned:
    """A cloud whose emulator was killed and brought up again, and who had used it before."""

    cloud: Cloud
    user: User
    before: dict[str, Any]
    turns: list[dict[str, Any]]
    cut: Heard


def turns_of(user: User, session_id: str) -> list[dict[str, Any]]:
    reply = user.get(f"/v1/sessions/{session_id}")
    assert reply.status_code == 200, reply.text
    turns: list[dict[str, Any]] = reply.json()["turns"]["data"]
    return turns


def deployed(cloud: Cloud) -> dict[str, Any]:
    """What the stacks have made, by the names that a new deployment would change."""
    sagemaker, stacks = cloud.client("sagemaker"), cloud.client("cloudformation")
    try:
        endpoints = sagemaker.list_endpoints()["Endpoints"]
        found = stacks.describe_stacks()["Stacks"]
        return {
            "outputs": (cloud.folder / "outputs.json").read_text(),
            "endpoints": [(e["EndpointName"], e["EndpointStatus"]) for e in endpoints],
            "stacks": sorted((s["StackName"], s["StackStatus"], s["StackId"]) for s in found),
        }
    finally:
        sagemaker.close()
        stacks.close()


@pytest.fixture(scope="module")
def returned(cloud: Cloud, model_url: str) -> Iterator[Returned]:
    with cloud.new_user() as user:
        assert said(user, "kept", "echo: first", "first").whole
        assert said(user, "long", f"echo: {LONG_WORDS}", LONG_WORDS).whole
        turns, before = turns_of(user, "kept"), deployed(cloud)
        snapshots = cloud.folder / "state" / "emulator" / "snapshots"
        wait_until(
            lambda: all(
                is_saved(newest_snapshot(snapshots), user, name) for name in ("kept", "long")
            ),
            "the turns are in a snapshot",
            SNAPSHOT_WITHIN_S,
            tick_s=0.2,
        )
        assert user.delete("/v1/sessions/long").status_code == 200
        cut = killed_in_mid_stream(cloud, user)
        cloud.up(model_url=model_url)
        yield Returned(cloud, user, before, turns, cut)


def is_saved(snapshot: dict[str, bytes], user: User, session_id: str) -> bool:
    turn = f"S#{session_id}#T#"
    return turn.encode() in snapshot.get("dynamodb", b"") and user.email.encode() in snapshot.get(
        "cognito", b""
    )


def killed_in_mid_stream(cloud: Cloud, user: User) -> Heard:
    """Kill the emulator while a turn streams; its function must end with it."""
    emulator_pid = noted_pid(cloud.folder, "emulator")
    text = " ".join(map(str, range(1, 201)))
    heard = Heard(Asked("the cut turn", "count 200 every 50", text, "cut"))
    client = threading.Thread(target=ask, args=(user.client, heard))
    client.start()
    wait_until(lambda: heard.text, "a token has come")
    function_pid = chat_function_pid(emulator_pid)
    os.kill(emulator_pid, signal.SIGKILL)
    client.join()
    assert function_pid is not None
    wait_until(lambda: command_line(function_pid) is None, "its function has ended with it")
    return heard


def test_what_was_deployed_is_there_as_it_was(returned: Returned) -> None:
    assert deployed(returned.cloud) == returned.before
    assert [status for _, status in returned.before["endpoints"]] == ["InService"]


def test_a_token_of_before_still_opens_the_sessions_of_the_snapshot(returned: Returned) -> None:
    assert turns_of(returned.user, "kept") == returned.turns


def test_a_kept_session_goes_on_and_remembers(returned: Returned) -> None:
    heard = Heard(Asked("again", "messages?", "", "kept"))
    ask(returned.user.client, heard)
    assert (heard.done, heard.error) == (True, None)
    assert "first" in heard.text
    assert [turn["position"] for turn in turns_of(returned.user, "kept")] == [0, 1]


def test_a_session_deleted_after_the_snapshot_can_be_read_or_is_gone(returned: Returned) -> None:
    reply = returned.user.get("/v1/sessions/long")
    assert reply.status_code in {200, 404}, reply.text
    assert returned.user.delete("/v1/sessions/long").status_code in {200, 404}
    assert returned.user.get("/v1/sessions/long").status_code == 404


def test_a_stream_of_the_killed_emulator_was_cut_and_left_no_broken_turn(
    returned: Returned,
) -> None:
    assert not returned.cut.done
    reply = returned.user.get("/v1/sessions/cut")
    assert reply.status_code in {200, 404}, reply.text
    for turn in reply.json()["turns"]["data"] if reply.status_code == 200 else ():
        assert returned.cut.asked.whole_text.startswith(turn["reply"]["content"])


class Counting:
    """Counts in two services of an emulator, one after the other, until it is killed."""

    def __init__(self, emulator: Emulator) -> None:
        self._ssm, self._secrets = emulator.client("ssm"), emulator.client("secretsmanager")
        self._thread = threading.Thread(target=self._count)
        self.first = self.number = self.counts()[0]

    def counts(self) -> tuple[int, int]:
        try:
            first = int(self._ssm.get_parameter(Name="/count")["Parameter"]["Value"])
            return first, int(self._secrets.get_secret_value(SecretId="count")["SecretString"])
        except self._ssm.exceptions.ParameterNotFound:
            return 0, 0

    def start(self) -> None:
        if not self.first:
            self._secrets.create_secret(Name="count", SecretString="0")
        self._thread.start()

    def _count(self) -> None:
        with suppress(BotoCoreError, ClientError):
            while True:
                value = str(self.number + 1)
                self._ssm.put_parameter(Name="/count", Value=value, Type="String", Overwrite=True)
                self._secrets.put_secret_value(SecretId="count", SecretString=value)
                self.number += 1

    def close(self) -> None:
        if self._thread.ident:
            self._thread.join()
        self._ssm.close()
        self._secrets.close()


def test_a_kill_while_a_snapshot_is_written_leaves_one_moment_of_all_services(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    emulator = Emulator(tmp_path, Path(sys.executable))
    snapshots = tmp_path / "state" / "snapshots"
    found, hit = [(0, 0)], 0
    try:
        for _ in range(ROUNDS):
            emulator.start()
            with closing(Counting(emulator)) as counting:
                found.append(counting.counts())
                counting.start()
                wait_for_snapshots(snapshots, counting)
                emulator.kill()
            hit += bool(list(snapshots.glob(WRITING)))
        emulator.start()
        with closing(Counting(emulator)) as counting:
            found.append(counting.counts())
    finally:
        emulator.kill()
    with capsys.disabled():
        told = f"{ROUNDS} kills of the emulator, {hit} while a snapshot was written"
        sys.stdout.write(f"\n{told}; counts in two services: {found}\n")
    assert hit
    assert found == sorted(found)
    assert found[-1][0] > 0
    assert all(first - second in {0, 1} for first, second in found)


def wait_for_snapshots(folder: Path, counting: Counting) -> None:
    """Return while one is being written, after another that has a count of this round."""
    wait_until(lambda: counting.number > counting.first + 1, "it counts")
    begun = max((int(path.name) for path in folder.iterdir() if path.name.isdigit()), default=0)
    wait_until((folder / f"{begun + 2:012}").exists, "two snapshots are written", tick_s=0)
    wait_until(lambda: list(folder.glob(WRITING)), "a third is being written", tick_s=0)
