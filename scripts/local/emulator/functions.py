"""Plain functions: their interpreter, their environment, and errors as AWS words them."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.local.emulator import function_worker
from scripts.local.emulator.function_worker import ERROR_MARK

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class FunctionHost:
    """Decides what a function's process is: which interpreter, and what it may see."""

    python: Path
    emulator_environment: Mapping[str, str]
    function_environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def worker_script(self) -> str:
        return Path(function_worker.__file__).read_text(encoding="utf-8")

    def environment(self, asked: Mapping[str, str]) -> dict[str, str]:
        """Leave out the emulator's own settings, and add what every function gets.

        A setting that the function's template gives another value stays.
        """
        kept = {k: v for k, v in asked.items() if self.emulator_environment.get(k) != v}
        name = kept.get("AWS_LAMBDA_FUNCTION_NAME", "")
        bin_dirs = [str(self.python.parent), "/usr/local/bin", "/usr/bin", "/bin"]
        return {
            "AWS_EXECUTION_ENV": "AWS_Lambda_python",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
            "LANG": "C.UTF-8",
            **self.function_environment,
            **kept,
            "PATH": ":".join(bin_dirs),
        }


class ProcessStarter:
    """Stands in for the `subprocess` module where the emulator starts function workers.

    A worker reads from a pipe of the emulator, so it ends by itself when the emulator is gone; it
    gets a session of its own, so that a Ctrl-C in the terminal is the emulator's to handle.
    """

    def __init__(self, host: FunctionHost) -> None:
        self._host = host

    def __getattr__(self, name: str) -> Any:
        return getattr(subprocess, name)

    def Popen(self, argv: list[str], **options: Any) -> subprocess.Popen[str]:  # noqa: N802
        options["env"] = self._host.environment(options["env"])
        return subprocess.Popen(argv, start_new_session=True, **options)


def with_aws_error(result: JsonObject) -> JsonObject:
    """Replace the emulator's wording of a failed invocation by the function's own error object."""
    body = result.get("body")
    if not result.get("error") or not isinstance(body, dict):
        return result
    _, mark, payload = str(body.get("errorMessage", "")).partition(ERROR_MARK)
    if not mark:
        return result
    error = json.loads(payload)
    log = result.get("log") or f"[ERROR] {error['errorType']}: {error['errorMessage']}"
    return {**result, "body": error, "log": log.partition(ERROR_MARK)[0] or log}
