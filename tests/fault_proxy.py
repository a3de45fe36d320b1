"""A proxy between a function and AWS that makes calls fail as they do in a network.

    boto3 -> FaultProxy -> the emulator, or for /endpoints/... the local SageMaker

`choose` decides call by call; `hits` counts what was done to which step.
"""

import asyncio
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import h11

from scripts.local.emulator.http_exchange import Exchange, Header
from tests.network_faults import AwsCall, CutAnswer, Delay, Fault, LoseAnswer, LoseCall, Refuse

Choose = Callable[[AwsCall], Fault | None]
NOT_PASSED_ON = {b"connection", b"content-length", b"expect", b"keep-alive", b"transfer-encoding"}
RESET_AT_CLOSE = struct.pack("ii", 1, 0)


class BrokenError(Exception):
    """Raised where a fault breaks the connection."""


def no_fault(_: AwsCall) -> Fault | None:
    return None


class FaultProxy:
    def __init__(self, *, aws_port: int, runtime_port: int) -> None:
        self._aws_port = aws_port
        self._runtime_port = runtime_port
        self.choose: Choose = no_fault
        self.hits: Counter[tuple[str, str]] = Counter()
        self.calls: Counter[str] = Counter()

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Serve from a thread until the block ends; yields the address."""
        listener = socket.create_server(("127.0.0.1", 0))
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=self._run, args=(loop, listener))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()

    def _run(self, loop: asyncio.AbstractEventLoop, listener: socket.socket) -> None:
        server = loop.run_until_complete(asyncio.start_server(self._serve, sock=listener))
        loop.run_forever()
        server.close()
        left = asyncio.all_tasks(loop)  # the function has gone: its connections end of themselves
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=5))
        loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer)
        try:
            while request := await connection.request():
                await self._answer(connection, *request)
        except (BrokenError, OSError, h11.ProtocolError):
            connection.reset()
        finally:
            writer.close()

    async def _answer(self, connection: "Connection", head: h11.Request, body: bytes) -> None:
        call = _call_of(head, body)
        self.calls[call.step] += 1
        fault = self.choose(call)
        if fault and not isinstance(fault, CutAnswer):  # a short answer may escape its cut
            self.hits[call.step, fault.name] += 1
        if isinstance(fault, LoseCall):
            raise BrokenError
        if isinstance(fault, Refuse):
            headers = [(name.encode(), value.encode()) for name, value in fault.headers.items()]
            await connection.reply(fault.status, headers, fault.body)
            return
        if isinstance(fault, Delay):
            await asyncio.sleep(fault.seconds)
        if await self._pass_on(connection, head, body, fault):
            return
        if isinstance(fault, CutAnswer):
            self.hits[call.step, fault.name] += 1
        raise BrokenError

    async def _pass_on(
        self, connection: "Connection", head: h11.Request, body: bytes, fault: Fault | None
    ) -> bool:
        """Ask the real service; whether the function has got its answer."""
        target = head.target.decode()
        port = self._runtime_port if target.startswith("/endpoints/") else self._aws_port
        headers = [header for header in head.headers if header[0] not in NOT_PASSED_ON]
        exchange = await Exchange.start(port, head.method.decode(), target, headers, body)
        try:
            await exchange.read_head()
            if isinstance(fault, LoseAnswer):
                async for _ in exchange.chunks():
                    pass
                return False
            limit = fault.after_bytes if isinstance(fault, CutAnswer) else None
            return await connection.relay(exchange, limit)
        finally:
            exchange.close()


class Connection:
    """The side towards the function."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER)

    async def request(self) -> tuple[h11.Request, bytes] | None:
        """The next request, whole; None when the function has no more."""
        if self._http.our_state is h11.DONE:
            self._http.start_next_cycle()
        head, body = None, b""
        while not isinstance(event := await self._next_event(), h11.EndOfMessage):
            if isinstance(event, h11.ConnectionClosed):
                return None
            if isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
        assert head is not None
        return head, body

    async def _next_event(self) -> h11.Event:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                await self._send(h11.InformationalResponse(status_code=100, headers=[]))
            self._http.receive_data(await self._reader.read(65536))
        assert isinstance(event, h11.Event)
        return event

    async def reply(self, status: int, headers: list[Header], body: bytes) -> None:
        headers = [*headers, (b"content-length", str(len(body)).encode())]
        await self._send(h11.Response(status_code=status, headers=headers))
        await self._send(h11.Data(data=body))
        await self._send(h11.EndOfMessage())

    async def relay(self, exchange: Exchange, limit_bytes: int | None) -> bool:
        """Pass a reply on as it comes, up to the limit if any; whether that was all."""
        kept = [h for h in exchange.headers if h[0].lower() not in NOT_PASSED_ON]
        lengths = [h for h in exchange.headers if h[0].lower() == b"content-length"]
        framing = lengths or [(b"transfer-encoding", b"chunked")]
        await self._send(h11.Response(status_code=exchange.status, headers=[*kept, *framing]))
        passed = 0
        async for part in exchange.chunks():
            if limit_bytes is not None and passed + len(part) > limit_bytes:
                await self._send(h11.Data(data=part[: limit_bytes - passed]))
                return False
            await self._send(h11.Data(data=part))
            passed += len(part)
        await self._send(h11.EndOfMessage())
        return True

    async def _send(self, event: h11.Event) -> None:
        self._writer.write(self._http.send(event) or b"")
        await self._writer.drain()

    def reset(self) -> None:
        """Close so that the other side sees a reset, after what was written is sent."""
        peer: socket.socket = self._writer.get_extra_info("socket")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
        self._writer.transport.abort()


def _call_of(head: h11.Request, body: bytes) -> AwsCall:
    target = dict(head.headers).get(b"x-amz-target", b"").decode()
    path = head.target.decode()
    operation = target.rpartition(".")[2] or head.method.decode()
    return AwsCall("open model" if path.startswith("/endpoints/") else operation, path, body)
