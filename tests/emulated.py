"""A running emulator for tests, and a small stack to call through its API Gateway."""

import contextlib
import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import venv
import zipfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

ROOT = Path(__file__).parents[1]
REGION = "us-east-1"
START_WITHIN_S = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def bare_interpreter(folder: Path) -> Path:
    """A virtual environment with nothing installed."""
    venv.create(folder, symlinks=True)
    return folder / "bin" / "python"


@dataclass
class Emulator:
    """The emulator as a process; `start` after `stop` or `kill` goes on with the same state."""

    folder: Path
    python: Path
    port: int = field(default_factory=free_port)
    flags: tuple[str, ...] = ("--snapshot-interval-s", "0.2")
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "scripts.local.emulator"]
        command += ["--port", str(self.port), "--state-dir", str(self.folder / "state")]
        command += ["--function-python", str(self.python)]
        command += ["--sagemaker-runtime-url", "http://127.0.0.1:9"]
        environment = {**os.environ, "SECRET_OF_THE_HOST": "seen", "AWS_PROFILE": "real"}
        # The emulator is large: without its bytecode a start costs three times as much.
        environment["PYTHONPYCACHEPREFIX"] = str(ROOT / ".kit" / "test-bytecode")
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        with (self.folder / "emulator.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *self.flags], cwd=ROOT, env=environment, stdout=log, stderr=log
            )
        self._wait_until_healthy(self.process)

    def _wait_until_healthy(self, process: subprocess.Popen[bytes]) -> None:
        deadline_s = time.monotonic() + START_WITHIN_S
        while time.monotonic() < deadline_s:
            with contextlib.suppress(OSError):
                with urllib.request.urlopen(f"{self.url}/_ministack/health") as reply:  # noqa: S310
                    reply.read()
                return
            if process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError((self.folder / "emulator.log").read_text()[-3000:])

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(timeout=30)
            self.process = None

    def client(self, service: str) -> Any:
        return boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def deploy(self, name: str, template: Mapping[str, Any]) -> dict[str, str]:
        """Create a stack and give its outputs."""
        stacks = self.client("cloudformation")
        body = json.dumps(template)
        stacks.create_stack(StackName=name, TemplateBody=body, Capabilities=["CAPABILITY_IAM"])
        waiter = stacks.get_waiter("stack_create_complete")
        waiter.wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
        (stack,) = stacks.describe_stacks(StackName=name)["Stacks"]
        return {row["OutputKey"]: row["OutputValue"] for row in stack.get("Outputs", [])}

    def log_lines(self, group: str) -> list[str]:
        logs = self.client("logs")
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
        return [event["message"] for page in pages for event in page["events"]]


@dataclass(frozen=True)
class Reply:
    """A reply read to its end; `parts` as they arrived, `complete` unless it was cut."""

    status: int
    headers: Mapping[str, str]
    parts: tuple[bytes, ...]
    complete: bool

    @property
    def body(self) -> bytes:
        return b"".join(self.parts)

    def json(self) -> Any:
        return json.loads(self.body)


@contextlib.contextmanager
def opened(
    emulator: Emulator,
    path: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", emulator.port, timeout=60)
    try:
        connection.request(method, path, body=body, headers=dict(headers or {}))
        yield connection.getresponse()
    finally:
        connection.close()


def parts_of(response: http.client.HTTPResponse) -> Iterator[bytes]:
    while part := response.read1(65536):
        yield part


def call(emulator: Emulator, path: str, **options: Any) -> Reply:
    with opened(emulator, path, **options) as response:
        parts: list[bytes] = []
        try:
            for part in parts_of(response):
                parts.append(part)
            complete = True
        except (http.client.IncompleteRead, ConnectionError):
            complete = False
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, headers, tuple(parts), complete)


def zipped(files: Mapping[str, str], *, executable: Collection[str] = ()) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o100755 if name in executable else 0o100644) << 16
            archive.writestr(entry, text)
    return data.getvalue()
