"""Passes one gateway request to a web function and its reply back, chunk by chunk.

What Lambda Web Adapter, Lambda and API Gateway do between them in AWS:

    caller -> Relay.answer -> lease a process -> request with the context headers
           <- head         <- reply's head, within the function's and the integration's time-out
           <- chunks       <- a reader of its own, which goes on to the end when the caller leaves
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import h11

from scripts.local.emulator.channel import Channel
from scripts.local.emulator.gateway_request import GatewayRequest, reply_headers, request_headers
from scripts.local.emulator.http_exchange import Exchange
from scripts.local.emulator.registry import Process, Registry
from scripts.local.emulator.web_function import WebFunction
from scripts.local.emulator.web_process import StartFailedError

log = logging.getLogger(__name__)


class FunctionFailedError(Exception):
    """The function gave no reply; the caller gets 502, the text is for the function's log."""


class IntegrationTimeoutError(Exception):
    """The integration's time-out passed before the function's reply began; 504."""


@dataclass(frozen=True)
class Answer:
    """The head of a reply, and the channel that its body comes through."""

    status: int
    headers: dict[str, str | list[str]]
    channel: Channel


class WriteLog(Protocol):
    """Writes the lines of one invocation to its function's log group."""

    def __call__(
        self,
        function: WebFunction,
        request_id: str,
        lines: Sequence[str],
        *,
        failed: bool,
        duration_ms: int,
    ) -> None: ...


class Relay:
    """Answers requests for web functions."""

    def __init__(self, registry: Registry, write_log: WriteLog) -> None:
        self._registry = registry
        self._write_log = write_log
        self._readers: set[asyncio.Task[None]] = set()

    async def answer(
        self, function: WebFunction, request: GatewayRequest, *, integration_timeout_s: float
    ) -> Answer:
        """Give the request to the function and come back with the head of its reply.

        Raises:
            FunctionFailedError: it cannot be started, broke off, or took longer than its time-out.
            IntegrationTimeoutError: the integration's time-out came first.
        """
        call = _Call(function, request, self._registry, self._write_log)
        reading = asyncio.create_task(call.run())
        self._readers.add(reading)
        reading.add_done_callback(self._forget)
        head = asyncio.shield(call.head)
        try:
            return await asyncio.wait_for(head, integration_timeout_s)
        except TimeoutError:
            raise IntegrationTimeoutError from None

    def _forget(self, reading: "asyncio.Task[None]") -> None:
        self._readers.discard(reading)
        if not reading.cancelled() and (error := reading.exception()):
            log.error("a call of a web function failed", exc_info=error)

    async def stop(self) -> None:
        for reading in list(self._readers):
            reading.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)


class _Call:
    """One invocation: it runs to its end whatever becomes of the caller."""

    def __init__(
        self,
        function: WebFunction,
        request: GatewayRequest,
        registry: Registry,
        write_log: WriteLog,
    ) -> None:
        self._function = function
        self._request = request
        self._registry = registry
        self._write_log = write_log
        self._channel = Channel()
        self.head: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.head.add_done_callback(_retrieve)

    async def run(self) -> None:
        started_s = time.monotonic()
        lines: list[str] = []
        try:
            await self._serve(lines)
            failed = False
        except (StartFailedError, FunctionFailedError) as error:
            lines.append(str(error))
            failed = True
            self._fail(FunctionFailedError(str(error)))
        finally:
            await self._channel.end(complete=self._channel.complete)
            self._fail(FunctionFailedError("cancelled"))
        duration_ms = int((time.monotonic() - started_s) * 1000)
        self._write_log(
            self._function,
            self._request.request_id,
            lines,
            failed=failed,
            duration_ms=duration_ms,
        )

    def _fail(self, error: FunctionFailedError) -> None:
        if not self.head.done():
            self.head.set_exception(error)

    async def _serve(self, lines: list[str]) -> None:
        timeout_s = self._function.timeout_s
        try:
            process, exchange, deadline_s = await self._begin()
            try:
                async with asyncio.timeout_at(deadline_s):
                    await self._pass_on(exchange)
            finally:
                exchange.close()
                lines += process.take_lines()
                self._registry.release(process)
        except TimeoutError:
            raise FunctionFailedError(f"Task timed out after {timeout_s:.2f} seconds") from None
        except (OSError, h11.ProtocolError) as error:
            raise FunctionFailedError(f"the function broke off its reply: {error}") from error

    async def _begin(self) -> tuple[Process, Exchange, float]:
        """Send the request and read the reply's head; a process found dead is replaced.

        Only a refused or reset connection says that: the request was not read, so it may be sent
        again. A process that ends after it has read the request closes the connection in order,
        and its request is not repeated, as in AWS.
        """
        for last_try in (False, False, True):
            process = await self._registry.lease(self._function)
            deadline_s = asyncio.get_running_loop().time() + self._function.timeout_s
            try:
                async with asyncio.timeout_at(deadline_s):
                    return process, await self._exchange(process), deadline_s
            except (ConnectionRefusedError, ConnectionResetError, BrokenPipeError):
                self._registry.retire(process)
                self._registry.release(process)
                if last_try:
                    raise
            except BaseException:
                self._registry.release(process)
                raise
        raise AssertionError("the last try returns or raises")

    async def _exchange(self, process: Process) -> Exchange:
        headers = request_headers(self._function, self._request)
        method, target, body = self._request.method, self._request.target, self._request.body
        exchange = await Exchange.start(process.port, method, target, headers, body)
        try:
            await exchange.read_head()
        except BaseException:
            exchange.close()
            raise
        return exchange

    async def _pass_on(self, exchange: Exchange) -> None:
        headers = reply_headers(exchange.headers, self._request.request_id)
        if not self.head.done():
            self.head.set_result(Answer(exchange.status, headers, self._channel))
        async for chunk in exchange.chunks():
            await self._channel.put(chunk)
        await self._channel.end(complete=True)


def _retrieve(head: "asyncio.Future[Answer]") -> None:
    """Take note of a failure that nobody waits for any more."""
    if not head.cancelled():
        head.exception()
