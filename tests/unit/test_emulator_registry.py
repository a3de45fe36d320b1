"""Which process serves a web function, and when it ends."""

import asyncio

import pytest

from tests.fake_web import Started, a_function, run_with_registry


def test_many_first_requests_start_one_process() -> None:
    async def scenario(started: Started) -> None:
        leased = await asyncio.gather(*(started.registry.lease(a_function()) for _ in range(10)))
        assert len(started.processes) == 1
        assert {process.in_flight for process in leased} == {10}

    run_with_registry(scenario)


def test_a_dead_process_is_replaced() -> None:
    async def scenario(started: Started) -> None:
        first = await started.registry.lease(a_function())
        started.processes[0].alive = False
        second = await started.registry.lease(a_function())
        assert second is not first

    run_with_registry(scenario)


def test_an_old_process_ends_when_its_last_request_has() -> None:
    async def scenario(started: Started) -> None:
        old = await started.registry.lease(a_function())
        new = await started.registry.lease(a_function(CodeSha256="two"))
        assert new is not old
        started.processes[0].lines = ["last words"]
        assert not started.processes[0].stopped.is_set()
        started.registry.release(old)
        await started.processes[0].stopped.wait()
        await asyncio.sleep(0)
        assert started.last_lines == ["last words"]

    run_with_registry(scenario)


@pytest.mark.parametrize("wanted", [None, "changed"])
def test_a_deleted_or_changed_function_has_no_process_for_long(wanted: str | None) -> None:
    async def scenario(started: Started) -> None:
        started.registry.release(await started.registry.lease(a_function()))
        started.wanted = wanted
        started.registry.retire_stale()
        await started.processes[0].stopped.wait()

    run_with_registry(scenario)


def test_all_processes_end_with_the_emulator() -> None:
    async def scenario(started: Started) -> None:
        await started.registry.lease(a_function())
        await started.registry.lease(a_function(CodeSha256="two"))
        await started.registry.stop_all()
        assert all(process.stopped.is_set() for process in started.processes)

    run_with_registry(scenario)
