"""What is installed beside the virtual environment: function interpreter, layers, the CDK CLI.

    python -m scripts.local.launcher.toolchain

Each part is rebuilt when what it is made from has changed, so a second run does nothing.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts.local.launcher import fingerprint
from scripts.local.launcher.errors import LauncherError
from scripts.local.launcher.layout import STAGE, Layout, machine
from scripts.local.launcher.locking import in_turn
from scripts.local.launcher.progress import Progress

_LAST_LINES = 5


@dataclass(frozen=True)
class Part:
    """One thing to install: `made` exists when it was, `sources` say when it is out of date."""

    name: str
    sources: tuple[str, ...]
    made: Path
    build: Callable[[], None]


def ensure(layout: Layout, progress: Progress, *, stage: str = STAGE) -> None:
    """Install what is missing or out of date.

    Raises:
        LauncherError: an installation failed; the first one needs the network.
    """
    with in_turn(layout.stamps / "lock"):  # laptop clouds of one checkout share these
        for part in parts(layout, stage):
            ensure_part(part, layout, progress)


def ensure_part(part: Part, layout: Layout, progress: Progress) -> None:
    wanted = fingerprint.of((layout.root / name for name in part.sources), machine())
    stamp = layout.stamps / part.name
    if part.made.exists() and stamp.exists() and stamp.read_text() == wanted:
        return
    progress.step(f"installing {part.name}")
    part.build()
    stamp.write_text(wanted)


def parts(layout: Layout, stage: str) -> list[Part]:
    """List the parts that a stage needs; only the local one runs functions on this machine."""
    layers = Part(
        f"layers-{stage}",
        ("locks/layer-chat.txt", "cdk/layers.py"),
        layout.root / ".kit" / "layers",
        lambda: _run(layout, [sys.executable, "-m", "cdk.layers", "--stage", stage]),
    )
    cdk = Part("cdk-cli", ("package-lock.json",), layout.cdk, lambda: _install_cdk(layout))
    interpreter = Part(
        "function-interpreter",
        ("locks/function-runtime.txt",),
        layout.function_python,
        lambda: _install_interpreter(layout),
    )
    return [interpreter, layers, cdk] if stage == STAGE else [layers, cdk]


def _install_interpreter(layout: Layout) -> None:
    """A clean interpreter for functions: what it cannot import is missing in AWS too."""
    venv = layout.function_python.parents[1]
    shutil.rmtree(venv, ignore_errors=True)
    uv = str(layout.venv_bin / "uv")
    _run(layout, [uv, "venv", "-q", "--python", sys.executable, str(venv)])
    lock = str(layout.root / "locks" / "function-runtime.txt")
    python = ["--python", str(layout.function_python)]
    _run(layout, [uv, "pip", "install", "-q", "--require-hashes", *python, "-r", lock])


def _install_cdk(layout: Layout) -> None:
    _run(layout, [str(layout.venv_bin / "npm"), "ci", "--no-audit", "--no-fund"])


def _run(layout: Layout, argv: list[str], env: Mapping[str, str] = os.environ) -> None:
    path = f"{layout.venv_bin}{os.pathsep}{env.get('PATH', os.defpath)}"
    try:
        subprocess.run(
            argv,
            cwd=layout.root,
            env={**env, "PATH": path},
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    except FileNotFoundError as error:
        raise LauncherError(f"{argv[0]} is missing", next_step="make setup") from error
    except subprocess.CalledProcessError as error:
        told = "\n".join(str(error.output).splitlines()[-_LAST_LINES:])
        raise LauncherError(
            f"`{' '.join(argv)}` failed:\n{told}\nThe first installation needs the network",
            next_step="make setup",
        ) from error


class _Lines:
    """Progress of the module run as a program: plain lines."""

    def step(self, text: str) -> None:
        print(text, file=sys.stderr)  # noqa: T201 a program's own output

    def detail(self, text: str) -> None:
        pass


if __name__ == "__main__":
    try:
        ensure(Layout.from_env(os.environ), _Lines())
    except LauncherError as error:
        sys.exit(str(error))
