"""The chat function as Lambda Web Adapter starts it: its own script, a copy of its asset."""

import contextlib
import http.client
import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.bench import cpu
from tests.bench.figures import ROOT
from tests.bench.sse import Stream, post
from tests.e2e.cloud import chat_body
from tests.emulated import free_port

FUNCTION_PYTHON = ROOT / ".kit" / "function-venv" / "bin" / "python"
READY_WITHIN_S = 60.0
CALLER = {"requestId": "bench", "authorizer": {"claims": {"sub": "bench"}}}


@dataclass(frozen=True)
class ChatFunction:
    """What is started: code and layer as they are unpacked in AWS, and the template's variables."""

    code: Path
    layer: Path
    variables: Mapping[str, str]

    @contextlib.contextmanager
    def running(self) -> Iterator["Running"]:
        """Start it and wait until it is ready, as the adapter does; kill it at the end."""
        port = free_port()
        process = subprocess.Popen(
            [self.code / "lambdas" / "functions" / "chat.sh"],
            cwd=self.code,
            env=self._environment(port),
            stdout=subprocess.DEVNULL,
        )
        try:
            _wait_until_ready(process, port)
            yield Running(process.pid, f"http://127.0.0.1:{port}")
        finally:
            process.kill()
            process.wait()

    def _environment(self, port: int) -> dict[str, str]:
        """Nothing of this process; and no bytecode is written, since /var/task is read-only."""
        return {
            **self.variables,
            "AWS_LWA_PORT": str(port),
            "KIT_LAYER_ROOT": str(self.layer),
            "LAMBDA_TASK_ROOT": str(self.code),
            "LANG": "C.UTF-8",
            "PATH": f"{FUNCTION_PYTHON.parent}:/usr/local/bin:/usr/bin:/bin",
            "PYTHONDONTWRITEBYTECODE": "1",
        }


@dataclass(frozen=True)
class Running:
    pid: int
    url: str

    @property
    def cpu_ms(self) -> float:
        return cpu.of_process_ms(self.pid)

    def chat(self, command: str) -> Stream:
        """One streamed chat; what is not answered to its end is an error."""
        headers = {"x-amzn-request-context": json.dumps(CALLER)}
        stream = post(f"{self.url}/v1/chat/completions", chat_body(command, stream=True), headers)
        assert stream.complete, f"{stream.status}: {stream.events}"
        return stream


def copied_asset(folder: Path) -> Path:
    """The code asset without bytecode, as the CDK stages it from a clean checkout."""
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("lambdas", "model_configs"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    return folder


def _wait_until_ready(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline_s = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline_s and process.poll() is None:
        with contextlib.suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", "/ready")
            ready = connection.getresponse().status == http.HTTPStatus.OK
            connection.close()
            if ready:
                return
        time.sleep(0.01)  # the adapter's own interval
    raise AssertionError("the chat function did not become ready; its stderr is above")
