"""Snapshots of the emulator's state: whole or absent, and written only when something changed."""

import asyncio
from pathlib import Path

import pytest

from scripts.local.emulator.lifecycle import Lifecycle, Message, PeriodicSnapshot, Receive, Send
from scripts.local.emulator.lifecycle import Scope as AsgiScope
from scripts.local.emulator.snapshots import SnapshotFolder


def test_what_is_saved_is_read_by_the_next_process(tmp_path: Path) -> None:
    assert SnapshotFolder(tmp_path).save({"s3": b"buckets", "iam": b"roles"})
    later = SnapshotFolder(tmp_path)
    assert (later.read("s3"), later.read("iam"), later.read("sqs")) == (b"buckets", b"roles", None)


def test_an_unchanged_state_is_not_written_again(tmp_path: Path) -> None:
    folder = SnapshotFolder(tmp_path)
    folder.save({"s3": b"same"})
    before = folder.newest
    assert not folder.save({"s3": b"same"})
    assert folder.newest == before


def test_only_the_newest_snapshot_is_kept_and_unchanged_services_are_linked(
    tmp_path: Path,
) -> None:
    folder = SnapshotFolder(tmp_path)
    folder.save({"large": b"code", "small": b"1"})
    assert folder.newest is not None
    inode = (folder.newest / "large.json").stat().st_ino
    folder.save({"large": b"code", "small": b"2"})
    assert [path.name for path in tmp_path.iterdir()] == [folder.newest.name]
    assert (folder.newest / "large.json").stat().st_ino == inode
    assert folder.read("small") == b"2"


def test_a_service_that_says_nothing_keeps_its_last_state(tmp_path: Path) -> None:
    SnapshotFolder(tmp_path).save({"s3": b"kept", "iam": b"old"})
    later = SnapshotFolder(tmp_path)
    later.save({"iam": b"new"})
    assert (later.read("s3"), later.read("iam")) == (b"kept", b"new")


def test_a_snapshot_cut_by_a_kill_does_not_count(tmp_path: Path) -> None:
    SnapshotFolder(tmp_path).save({"s3": b"whole"})
    cut = tmp_path / "000000000002.writing"
    cut.mkdir()
    (cut / "s3.json").write_bytes(b"half of i")
    later = SnapshotFolder(tmp_path)
    assert later.read("s3") == b"whole"
    assert not cut.exists()


def test_a_failed_write_leaves_the_last_snapshot(tmp_path: Path) -> None:
    folder = SnapshotFolder(tmp_path)
    folder.save({"s3": b"whole"})
    with pytest.raises(FileNotFoundError):
        folder.save({"s3": b"new", "no/such/folder": b""})
    assert SnapshotFolder(tmp_path).read("s3") == b"whole"


class Recorder:
    """Counts snapshots and says when one was written."""

    def __init__(self) -> None:
        self.states = 0
        self.written: asyncio.Queue[int] = asyncio.Queue()

    def capture(self) -> int:
        self.states += 1
        return self.states

    def write(self, states: int) -> bool:
        self.written.put_nowait(states)
        return True


def test_a_request_is_followed_by_a_snapshot_and_a_health_check_is_not() -> None:
    async def run() -> None:
        recorder = Recorder()
        snapshot = PeriodicSnapshot(recorder, interval_s=0)
        task = asyncio.create_task(snapshot.run())
        snapshot.note("/_ministack/health")
        await asyncio.sleep(0)
        assert recorder.states == 0
        snapshot.note("/")
        while recorder.written.empty():
            await asyncio.sleep(0.001)
        task.cancel()
        assert recorder.states == 1

    asyncio.run(run())


def test_background_work_runs_from_start_to_stop() -> None:
    events: list[str] = []

    async def inner(_scope: AsgiScope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        events.append("inner stops")

    async def work() -> None:
        events.append("work starts")
        try:
            await asyncio.Event().wait()
        finally:
            events.append("work ends")

    async def at_stop() -> None:
        events.append("at stop")

    messages = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive() -> Message:
        await asyncio.sleep(0)
        return {"type": next(messages)}

    async def send(_message: Message) -> None:
        await asyncio.sleep(0)

    app = Lifecycle(inner, note_request=events.append, background=[work], at_stop=[at_stop])
    asyncio.run(app({"type": "lifespan"}, receive, send))
    assert events == ["work starts", "work ends", "at stop", "inner stops"]
