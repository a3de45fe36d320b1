"""A function behind Lambda Web Adapter: what it is, and the environment of its process."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EXEC_WRAPPER = "AWS_LAMBDA_EXEC_WRAPPER"
ADAPTER = "/opt/bootstrap"

# A change of one of these needs a new process.
RUNNING_PARTS = (
    "CodeSha256",
    "Environment",
    "Handler",
    "Layers",
    "MemorySize",
    "Role",
    "Runtime",
    "Timeout",
)


def is_web_function(config: Mapping[str, Any]) -> bool:
    """Whether the function is started by Lambda Web Adapter's wrapper."""
    return template_variables(config).get(EXEC_WRAPPER) == ADAPTER


def template_variables(config: Mapping[str, Any]) -> dict[str, str]:
    variables: dict[str, str] = (config.get("Environment") or {}).get("Variables") or {}
    return variables


def fingerprint(config: Mapping[str, Any]) -> str:
    """Changes exactly when a running process is no longer what the configuration says."""
    parts = json.dumps([config.get(part) for part in RUNNING_PARTS], sort_keys=True, default=str)
    return hashlib.sha256(parts.encode()).hexdigest()


@dataclass(frozen=True)
class WebFunction:
    """One version of a web function; code and layers are read only when a process is started."""

    config: Mapping[str, Any]
    """A copy: the emulator changes its own in place when the function is updated."""
    fingerprint: str
    credentials: Mapping[str, str]
    region: str
    code: Callable[[], bytes]
    layers: Callable[[], Sequence[bytes]]

    @property
    def arn(self) -> str:
        return str(self.config["FunctionArn"])

    @property
    def name(self) -> str:
        return str(self.config["FunctionName"])

    @property
    def handler(self) -> str:
        return str(self.config["Handler"])

    @property
    def memory_mb(self) -> int:
        return int(self.config.get("MemorySize", 128))

    @property
    def timeout_s(self) -> float:
        return float(self.config.get("Timeout", 3))

    @property
    def version(self) -> str:
        return str(self.config.get("Version", "$LATEST"))

    @property
    def readiness_path(self) -> str:
        return template_variables(self.config).get("AWS_LWA_READINESS_CHECK_PATH", "/")


@dataclass(frozen=True)
class WebHost:
    """What every web process gets from the machine that it runs on."""

    python: Path
    common: Mapping[str, str]

    def environment(
        self, function: WebFunction, *, port: int, task_root: Path, layer_root: Path
    ) -> dict[str, str]:
        """The whole environment of the process; nothing of the emulator's own is in it.

        In AWS a layer is at /opt. Here the handler's script finds it by KIT_LAYER_ROOT.
        """
        variables = template_variables(function.config)
        return {
            **self.common,
            **{key: value for key, value in variables.items() if key != EXEC_WRAPPER},
            "AWS_DEFAULT_REGION": function.region,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.config.get('Runtime', 'python')}",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_VERSION": function.version,
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
            "AWS_LWA_PORT": str(port),
            "AWS_REGION": function.region,
            "KIT_LAYER_ROOT": str(layer_root),
            "LAMBDA_TASK_ROOT": str(task_root),
            "LANG": "C.UTF-8",
            "PATH": f"{self.python.parent}:/usr/local/bin:/usr/bin:/bin",
            "PORT": str(port),
            "_HANDLER": function.handler,
            **function.credentials,
        }
