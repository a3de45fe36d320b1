"""Where the laptop cloud of one checkout lives: folders, files, ports, names."""

import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts.local.launcher.errors import LauncherError

ROOT = Path(__file__).parents[3]
REGION = "us-east-1"
ACCOUNT = "000000000000"
APP = "kit"
STAGE = "local"
_LAST_PORT = 65535


@dataclass(frozen=True)
class Layout:
    """Every path and port that the launcher uses; nothing else reads the environment for them."""

    root: Path
    local_dir: Path
    port: int = 4566
    sagemaker_port: int = 4567

    @classmethod
    def from_env(cls, env: Mapping[str, str], root: Path = ROOT) -> "Layout":
        """Read `KIT_LOCAL_DIR`, `KIT_LOCAL_PORT` and `KIT_LOCAL_SAGEMAKER_PORT`."""
        return cls(
            root=root,
            local_dir=Path(env.get("KIT_LOCAL_DIR") or root / ".kit" / "local").absolute(),
            port=_port(env, "KIT_LOCAL_PORT", 4566),
            sagemaker_port=_port(env, "KIT_LOCAL_SAGEMAKER_PORT", 4567),
        )

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def sagemaker_url(self) -> str:
        return f"http://127.0.0.1:{self.sagemaker_port}"

    @property
    def venv_bin(self) -> Path:
        return Path(sys.executable).parent

    @property
    def cdk(self) -> Path:
        return self.root / "node_modules" / ".bin" / "cdk"

    @property
    def function_python(self) -> Path:
        return self.root / ".kit" / "function-venv" / "bin" / "python"

    @property
    def stamps(self) -> Path:
        return self.root / ".kit" / "stamps"

    @property
    def assembly(self) -> Path:
        return self.local_dir / "cdk.out"

    @property
    def state(self) -> Path:
        return self.local_dir / "state"

    @property
    def logs(self) -> Path:
        return self.local_dir / "logs"

    @property
    def outputs(self) -> Path:
        return self.local_dir / "outputs.json"

    @property
    def demo_password(self) -> Path:
        return self.local_dir / "demo-password"


def machine() -> str:
    """What compiled wheels depend on: they are built for this interpreter and processor."""
    return f"{platform.system()}-{platform.machine()}-{platform.python_version()}"


def _port(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name) or str(default)
    if text.isdigit() and 0 < int(text) <= _LAST_PORT:
        return int(text)
    raise LauncherError(
        f"{name} is {text!r}; a port between 1 and 65535 is expected",
        next_step=f"{name}={default} kit local up",
    )
