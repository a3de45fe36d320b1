"""Web functions: their archives, processes, registry, and the way of a request and its reply."""

import asyncio
import json
import os
import sys
import zipfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from scripts.local.emulator.access_log import LogLine, log_group_of, render
from scripts.local.emulator.archives import UnpackedArchives
from scripts.local.emulator.channel import Channel
from scripts.local.emulator.registry import Registry
from scripts.local.emulator.relay import (
    FunctionFailedError,
    GatewayRequest,
    IntegrationTimeoutError,
    Relay,
    reply_headers,
    request_headers,
)
from scripts.local.emulator.web_function import WebFunction, WebHost, fingerprint, is_web_function
from scripts.local.emulator.web_process import StartFailedError, WebProcess
from tests.emulated import zipped

CONFIG: dict[str, Any] = {
    "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:chat",
    "FunctionName": "chat",
    "Handler": "run.sh",
    "Timeout": 5,
    "CodeSha256": "one",
    "Environment": {
        "Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/bootstrap", "MINE": "x", "PORT": "8080"}
    },
}
SERVER = """
import os, socket
listener = socket.create_server(("127.0.0.1", int(os.environ["AWS_LWA_PORT"])))
print("listening", flush=True)
while True:
    connection, _ = listener.accept()
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 %s x\\r\\ncontent-length: 0\\r\\n\\r\\n" % STATUS)
    connection.close()
"""
RUN = "#!/bin/sh\nexec python server.py\n"


def a_function(code: bytes = b"", **changes: Any) -> WebFunction:
    config = {**CONFIG, **changes}
    return WebFunction(
        config=config,
        fingerprint=fingerprint(config),
        credentials={"AWS_ACCESS_KEY_ID": "000000000000"},
        region="us-east-1",
        code=lambda: code,
        layers=list,
    )


def server_code(status: int = 200, run: str = RUN) -> bytes:
    files = {"run.sh": run, "server.py": f"STATUS = b'{status}'\n{SERVER}"}
    return zipped(files, executable={"run.sh"})


def host() -> WebHost:
    return WebHost(Path(sys.executable), {"HOME": "/nowhere"})


# Archives


def test_files_keep_the_mode_bits_of_the_zip(tmp_path: Path) -> None:
    data = zipped({"bin/run.sh": RUN, "data.txt": "x"}, executable={"bin/run.sh"})
    folder = UnpackedArchives(tmp_path).folder([data])
    assert os.access(folder / "bin" / "run.sh", os.X_OK)
    assert (folder / "data.txt").stat().st_mode & 0o777 == 0o644


def test_layers_lie_over_one_another_and_are_unpacked_once(tmp_path: Path) -> None:
    archives = UnpackedArchives(tmp_path)
    layers = [zipped({"a": "1", "b": "1"}), zipped({"b": "2"})]
    folder = archives.folder(layers)
    assert ((folder / "a").read_text(), (folder / "b").read_text()) == ("1", "2")
    assert archives.folder(layers) == folder
    assert archives.folder(layers[:1]) != folder


def test_a_zip_cannot_write_outside_its_folder(tmp_path: Path) -> None:
    UnpackedArchives(tmp_path / "in").folder([zipped({"../../out.txt": "x"})])
    assert not list(tmp_path.parent.glob("out.txt"))
    assert not list(tmp_path.glob("out.txt"))


def test_a_broken_zip_leaves_nothing_that_counts(tmp_path: Path) -> None:
    archives = UnpackedArchives(tmp_path)
    with pytest.raises(zipfile.BadZipFile):
        archives.folder([b"no zip"])
    with pytest.raises(zipfile.BadZipFile):
        archives.folder([b"no zip"])


# The function and its environment


def test_a_web_function_is_told_by_its_exec_wrapper() -> None:
    assert is_web_function(CONFIG)
    assert not is_web_function({**CONFIG, "Environment": {}})
    assert not is_web_function({**CONFIG, "Environment": None})


@pytest.mark.parametrize("part", ["CodeSha256", "Handler", "Layers", "Role", "Timeout"])
def test_what_a_process_was_started_with_is_in_its_fingerprint(part: str) -> None:
    assert fingerprint(CONFIG) != fingerprint({**CONFIG, part: "changed"})


def test_a_change_that_needs_no_new_process_is_not_in_the_fingerprint() -> None:
    assert fingerprint(CONFIG) == fingerprint({**CONFIG, "RevisionId": "2", "Description": "d"})


def test_the_process_gets_its_own_port_and_layer_root_and_no_exec_wrapper() -> None:
    environment = host().environment(
        a_function(), port=4711, task_root=Path("/task"), layer_root=Path("/layers")
    )
    assert (environment["AWS_LWA_PORT"], environment["PORT"]) == ("4711", "4711")
    assert environment["KIT_LAYER_ROOT"] == "/layers"
    assert environment["LAMBDA_TASK_ROOT"] == "/task"
    assert environment["PATH"].split(":")[0] == str(Path(sys.executable).parent)
    assert environment["MINE"] == "x"
    assert "AWS_LAMBDA_EXEC_WRAPPER" not in environment
    assert "PYTHONPATH" not in environment


# The process


def test_a_process_is_ready_when_it_answers_below_500_and_ends_when_stopped(
    tmp_path: Path,
) -> None:
    async def run() -> None:
        function = a_function(server_code(404))
        process = await WebProcess.start(function, host(), UnpackedArchives(tmp_path))
        assert process.alive
        assert process.take_lines() == ["listening"]
        await process.stop()
        assert not process.alive

    asyncio.run(run())


def test_children_of_the_process_end_with_it(tmp_path: Path) -> None:
    async def run() -> None:
        script = f"#!/bin/sh\ntrap '' TERM\nsleep 600 &\necho $! > {tmp_path}/child\n{RUN[10:]}"
        function = a_function(server_code(run=script))
        process = await WebProcess.start(function, host(), UnpackedArchives(tmp_path / "u"))
        child = int((tmp_path / "child").read_text())
        os.kill(child, 0)
        process.kill()
        await process.stop()
        for _ in range(1000):
            state = Path(f"/proc/{child}/stat")
            if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
                return
            await asyncio.sleep(0.01)
        raise AssertionError("the child lives on")

    asyncio.run(run())


@pytest.mark.parametrize(
    ("files", "executable", "said"),
    [
        ({"run.sh": "#!/bin/sh\necho why\nexit 3\n"}, {"run.sh"}, "why\nrun.sh ended with exit st"),
        ({"run.sh": RUN}, set(), "run.sh cannot be started: Permission denied"),
        ({"other": ""}, set(), "run.sh cannot be started: No such file or directory"),
        ({"run.sh": "#!/bin/sh\nkill -9 $$\n"}, {"run.sh"}, "run.sh ended with signal 9"),
    ],
)
def test_a_process_that_does_not_come_up_says_why(
    tmp_path: Path, files: dict[str, str], executable: set[str], said: str
) -> None:
    function = a_function(zipped(files, executable=executable))
    with pytest.raises(StartFailedError) as failed:
        asyncio.run(WebProcess.start(function, host(), UnpackedArchives(tmp_path)))
    assert said in str(failed.value)


# The registry


@dataclass(eq=False)
class FakeProcess:
    """A process as the registry sees it."""

    function: WebFunction
    port: int = 0
    in_flight: int = 0
    alive: bool = True
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    lines: list[str] = field(default_factory=list)

    def take_lines(self) -> list[str]:
        return self.lines

    def kill(self) -> None:
        self.alive = False

    async def stop(self) -> None:
        self.alive = False
        self.stopped.set()


class Started:
    """A registry whose processes are fakes, and all that it started."""

    def __init__(self) -> None:
        self.port = 0
        self.processes: list[FakeProcess] = []
        self.wanted: str | None = a_function().fingerprint
        self.last_lines: list[str] = []
        self.registry = Registry(
            self._start, lambda _arn: self.wanted, lambda _function, lines: self._keep(lines)
        )

    async def _start(self, function: WebFunction) -> FakeProcess:
        await asyncio.sleep(0)
        self.processes.append(FakeProcess(function, self.port))
        return self.processes[-1]

    def _keep(self, lines: list[str]) -> None:
        self.last_lines += lines


def run_with_registry(scenario: Callable[[Started], Awaitable[None]]) -> None:
    async def run() -> None:
        await scenario(Started())

    asyncio.run(run())


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


# The channel


def test_a_writer_waits_for_a_slow_reader() -> None:
    async def run() -> None:
        channel = Channel(most_waiting=2)
        writing = asyncio.create_task(write(channel, [b"1", b"2", b"3"]))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not writing.done()
        assert [part async for part in channel] == [b"1", b"2", b"3"]
        assert channel.complete

    asyncio.run(run())


def test_a_writer_does_not_wait_for_a_reader_that_left() -> None:
    async def run() -> None:
        channel = Channel(most_waiting=1)
        await channel.leave()
        await write(channel, [b"1", b"2", b"3"])
        assert [part async for part in channel] == []

    asyncio.run(run())


async def write(channel: Channel, parts: Sequence[bytes]) -> None:
    for part in parts:
        await channel.put(part)
    await channel.end(complete=True)


# The relay

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Served:
    """A relay in front of a scripted web function."""

    relay: Relay
    started: Started
    logged: list[tuple[str, tuple[str, ...], bool]]

    async def get(self, *, timeout_s: float = 10, function: WebFunction | None = None) -> Any:
        request = GatewayRequest("GET", "/", {}, {}, b"", {"requestId": "id-1"})
        return await self.relay.answer(
            function or a_function(), request, integration_timeout_s=timeout_s
        )


def with_relay(serve: Serve, scenario: Callable[[Served], Awaitable[None]]) -> None:
    async def run() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        started, logged = Started(), []
        started.port = server.sockets[0].getsockname()[1]

        def log(
            function: WebFunction,
            request_id: str,
            lines: Sequence[str],
            *,
            failed: bool,
            duration_ms: int,
        ) -> None:
            assert (function.name, duration_ms >= 0) == ("chat", True)
            logged.append((request_id, tuple(lines), failed))

        async with server:
            await scenario(Served(Relay(started.registry, log), started, logged))

    asyncio.run(run())


HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nserver: x\r\n\r\n"


def test_parts_pass_one_by_one() -> None:
    next_part = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD)
        for part in (b"one", b"two"):
            writer.write(b"3\r\n" + part + b"\r\n")
            await next_part.wait()
        writer.write(b"0\r\n\r\n")
        writer.close()

    async def scenario(served: Served) -> None:
        answer = await served.get()
        parts = aiter(answer.channel)
        assert await anext(parts) == b"one"
        next_part.set()
        assert [part async for part in parts] == [b"two"]
        assert answer.channel.complete
        assert answer.headers["x-amzn-remapped-server"] == "x"
        assert answer.headers["x-amzn-requestid"] == "id-1"

    with_relay(serve, scenario)


def test_a_reply_that_breaks_off_is_not_complete() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + b"3\r\none\r\n")
        writer.close()

    async def scenario(served: Served) -> None:
        answer = await served.get()
        assert [part async for part in answer.channel] == [b"one"]
        assert not answer.channel.complete

    with_relay(serve, scenario)


def test_a_function_that_closes_without_a_reply_has_failed_and_is_not_asked_again() -> None:
    asked = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    async def scenario(served: Served) -> None:
        with pytest.raises(FunctionFailedError, match="broke off its reply"):
            await served.get()
        assert len(asked) == 1

    with_relay(serve, scenario)


def test_a_request_that_nobody_read_goes_to_a_new_process() -> None:
    connections = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        if len(connections) == 1:
            writer.transport.abort()  # a reset, as of a process killed before it read
            return
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 x\r\n\r\n")
        writer.close()

    async def scenario(served: Served) -> None:
        assert (await served.get()).status == 204
        assert len(served.started.processes) == 2

    with_relay(serve, scenario)


async def _never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


def test_the_integrations_time_out_comes_first() -> None:
    async def scenario(served: Served) -> None:
        with pytest.raises(IntegrationTimeoutError):
            await served.get(timeout_s=0.01)
        await served.relay.stop()

    with_relay(_never_answer, scenario)


def test_the_functions_time_out_is_a_failure_that_its_log_names() -> None:
    async def scenario(served: Served) -> None:
        with pytest.raises(FunctionFailedError):
            await served.get(function=a_function(Timeout=0.01))
        while not served.logged:
            await asyncio.sleep(0.001)
        assert served.logged == [("id-1", ("Task timed out after 0.01 seconds",), True)]

    with_relay(_never_answer, scenario)


def test_only_the_adapter_says_who_calls() -> None:
    forged = {
        "X-Amzn-Request-Context": "{}",
        "x-amzn-lambda-context": "{}",
        "connection": "x",
        "accept": ["a", "b"],
        "x-name": "Zoë",
    }
    context = {"requestId": "id-1", "authorizer": {"claims": {"name": "Zoë €"}}}
    request = GatewayRequest("GET", "/", {}, forged, b"", context)
    headers = request_headers(a_function(), request)
    names = [name for name, _ in headers]
    assert names == [b"accept", b"accept", b"x-name", b"x-amzn-request-context", names[-1]]
    assert json.loads(dict(headers)[b"x-amzn-request-context"].decode()) == context
    said = json.loads(dict(headers)[b"x-amzn-lambda-context"])
    assert said["invoked_function_arn"] == CONFIG["FunctionArn"]


def test_repeated_reply_headers_stay_apart() -> None:
    raw = [(b"set-cookie", b"a"), (b"set-cookie", b"b"), (b"connection", b"close")]
    assert reply_headers(raw, "id-1") == {"set-cookie": ["a", "b"], "x-amzn-requestid": "id-1"}


def test_path_and_query_are_encoded_for_the_function() -> None:
    query = {"a": ["1", "x y"]}
    request = GatewayRequest("GET", "/v1/models/ä b", query, {}, b"", {"requestId": "1"})
    assert request.target == "/v1/models/%C3%A4%20b?a=1&a=x+y"


# Access logs


def test_an_access_log_line_is_filled_and_the_unknown_is_a_dash() -> None:
    known = {"status": 200, "authorizer": {"claims": {"sub": "ana"}}, "error": {"message": None}}
    line = '{"s":"$context.status","u":"$context.authorizer.claims.sub"} $context.error.message'
    assert render(f"{line} $context.nope", known) == '{"s":"200","u":"ana"} - -'


def test_a_line_is_made_of_the_call() -> None:
    call = LogLine(
        api_id="api",
        stage="v",
        method="GET",
        path="/x",
        status=401,
        length_bytes=7,
        started_s=0.0,
        ended_s=0.5,
        request={"request_id": "id-1", "resource_path": "", "headers": {"user-agent": "curl"}},
        event_context={},
        error_type="UNAUTHORIZED",
        error_message="Unauthorized",
    )
    wanted = "$context.requestId $context.status $context.path $context.responseLatency"
    assert call.render(wanted) == "id-1 401 /v/x 500"
    assert call.render("$context.error.responseType $context.requestTime") == (
        "UNAUTHORIZED 01/Jan/1970:00:00:00 +0000"
    )


def test_the_log_group_is_taken_from_its_arn() -> None:
    arn = "arn:aws:logs:us-east-1:000000000000:log-group:/kit/access"
    assert log_group_of(arn) == log_group_of(f"{arn}:*") == "/kit/access"
