"""The way of a request to a web function, and of its reply back."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from scripts.local.emulator.channel import Channel
from scripts.local.emulator.gateway_request import GatewayRequest, reply_headers, request_headers
from scripts.local.emulator.relay import FunctionFailedError, IntegrationTimeoutError, Relay
from scripts.local.emulator.web_function import WebFunction
from tests.fake_web import CONFIG, Started, a_function

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
