"""A web function of the emulator, and processes that are only said to run."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from scripts.local.emulator.registry import Registry
from scripts.local.emulator.web_function import WebFunction, fingerprint

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
