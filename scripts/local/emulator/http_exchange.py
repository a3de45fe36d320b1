"""One HTTP/1.1 exchange with a process on this machine, its reply read as it comes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import h11

READ_BYTES = 65536
Header = tuple[bytes, bytes]


class Exchange:
    """A request that was sent and the reply that is coming back.

    Raises (from every method):
        OSError: nobody listens there, or the connection broke.
        h11.RemoteProtocolError: the reply ended early or is no HTTP.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._connection = h11.Connection(h11.CLIENT)
        self.status = 0
        self.headers: list[Header] = []

    @classmethod
    async def start(
        cls,
        port: int,
        method: str,
        target: str,
        headers: Sequence[Header] = (),
        body: bytes = b"",
    ) -> "Exchange":
        """Send the whole request; the reply's head is read by `read_head`."""
        exchange = cls(*await asyncio.open_connection("127.0.0.1", port))
        host = (b"host", f"127.0.0.1:{port}".encode())
        named = [*headers] if any(n.lower() == b"host" for n, _ in headers) else [host, *headers]
        named.append((b"content-length", str(len(body)).encode()))
        request = h11.Request(method=method, target=target, headers=named)
        try:
            await exchange._send(request)
            if body:
                await exchange._send(h11.Data(data=body))
            await exchange._send(h11.EndOfMessage())
        except BaseException:
            exchange.close()
            raise
        return exchange

    async def _send(self, event: h11.Event) -> None:
        data = self._connection.send(event)
        if data:
            self._writer.write(data)
            await self._writer.drain()

    async def read_head(self) -> None:
        while True:
            event = await self._next_event()
            if isinstance(event, h11.Response):  # not InformationalResponse: 1xx are skipped
                self.status, self.headers = event.status_code, list(event.headers)
                return

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives; ends when the reply is complete."""
        while not isinstance(event := await self._next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Data):
                yield bytes(event.data)

    async def _next_event(self) -> h11.Event:
        while (event := self._connection.next_event()) is h11.NEED_DATA:
            self._connection.receive_data(await self._reader.read(READ_BYTES))
        if event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
            raise h11.RemoteProtocolError("the connection was closed without a reply")
        assert isinstance(event, h11.Event)  # noqa: S101 - the two constants are handled above
        return event

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._writer.close()


async def status_of(port: int, path: str) -> int:
    """The status of a GET, for a readiness check."""
    exchange = await Exchange.start(port, "GET", path)
    try:
        await exchange.read_head()
        return exchange.status
    finally:
        exchange.close()
