"""Layers of third-party packages, one per lock file: `python -m cdk.layers` builds them.

A layer holds bytecode when an interpreter of the functions' version is at hand: Lambda mounts it
read-only, so without bytecode every cold start compiles the packages again. It is of the kind
unchecked-hash: with time stamps it would be stale once zipped, and no two builds would be equal.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from cdk.config import STAGES, DeployConfig, load_config
from lambdas.core.errors import ConfigurationError

ROOT = Path(__file__).parents[1]
BUILT = ROOT / ".kit" / "layers"
LAYERS = ("chat",)

_PLATFORMS = {"x86_64": "x86_64-manylinux_2_28", "arm64": "aarch64-manylinux_2_28"}
_NEVER_IMPORTED = ("bin", "**/tests", "**/__pycache__", ".lock")
_RECIPE = 1  # raise it when the way a layer is built changes


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def layer_folder(layer: str, config: DeployConfig, built: Path = BUILT) -> Path:
    return built / f"{layer}-{_PLATFORMS[config.architecture]}-{config.python_version}"


def built_layer(layer: str, config: DeployConfig, built: Path = BUILT) -> Path:
    """Find a layer that was built from the present lock file.

    Raises:
        ConfigurationError: there is none; the message names the command that builds it.
    """
    folder = layer_folder(layer, config, built)
    if not _is_current(folder, lock_of(layer)):
        raise ConfigurationError(
            f"layer {folder.name} is not built or older than {lock_of(layer).name};"
            f" run: .venv/bin/python -m cdk.layers --stage {config.stage}"
            " (and the same -c options, if any)"
        )
    return folder


def build_layer(
    layer: str, config: DeployConfig, built: Path = BUILT, say: Callable[[str], object] = _tell
) -> Path:
    """Build a layer, unless it stands as the lock file has it; a broken build leaves the old one.

    Raises:
        ConfigurationError: a package of the lock file cannot be had for the platform.
    """
    folder, lock = layer_folder(layer, config, built), lock_of(layer)
    if _is_current(folder, lock):
        return folder
    built.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=built, prefix=".building-") as temporary:
        made = Path(temporary, folder.name)
        _install(lock, made / "python", config)
        _drop_never_imported(made / "python")
        if not _compile(made / "python", config.python_version):
            say(_without_bytecode(folder.name, config.python_version))
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)
    stamp_of(folder).write_text(fingerprint(lock))
    say(f"{folder.name}: built")
    return folder


def lock_of(layer: str) -> Path:
    return ROOT / "locks" / f"layer-{layer}.txt"


def stamp_of(folder: Path) -> Path:
    """Beside the folder: what is inside becomes part of the layer."""
    return folder.with_name(f"{folder.name}.sha256")


def fingerprint(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes() + str(_RECIPE).encode()).hexdigest()


def _is_current(folder: Path, lock: Path) -> bool:
    stamp = stamp_of(folder)
    whole = (folder / "python").is_dir() and stamp.is_file()
    return whole and stamp.read_text() == fingerprint(lock)


def _install(lock: Path, target: Path, config: DeployConfig) -> None:
    wanted = [f"--python-platform={_PLATFORMS[config.architecture]}"]
    wanted += [f"--python-version={config.python_version}", "--only-binary=:all:"]
    exact = ["--require-hashes", "--no-deps", "--link-mode=copy", "--no-config", "--quiet"]
    command = [sys.executable, "-m", "uv", "pip", "install", f"--target={target}", *wanted, *exact]
    done = subprocess.run(  # noqa: S603 our own arguments
        [*command, "--requirement", str(lock)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ConfigurationError(f"{lock.name}: {' '.join(done.stderr.split())}")


def _drop_never_imported(packages: Path) -> None:
    for pattern in _NEVER_IMPORTED:
        for found in list(packages.glob(pattern)):
            shutil.rmtree(found) if found.is_dir() else found.unlink()


def _compile(packages: Path, python_version: str) -> bool:
    """Compile for `python_version`, with no path and no order of hashes of this machine in it."""
    python = _interpreter(python_version)
    if python is None:
        return False
    command = [python, "-m", "compileall", "-q", "-s", str(packages), "-p", "/opt/python"]
    subprocess.run(  # noqa: S603 our own arguments
        [*command, "--invalidation-mode", "unchecked-hash", str(packages)],
        env={**os.environ, "PYTHONHASHSEED": "0"},
        check=True,
    )
    return True


def _without_bytecode(name: str, python_version: str) -> str:
    """Half a cold start is at stake (docs/benchmarks.md), so the remedy is named."""
    return (
        f"{name}: no Python {python_version} here, so without bytecode: cold starts will be slower."
        f" Next: .venv/bin/uv python install {python_version}, remove .kit/layers/{name},"
        " deploy again"
    )


def _interpreter(python_version: str) -> str | None:
    if python_version == ".".join(map(str, sys.version_info[:2])):
        return sys.executable
    find = [sys.executable, "-m", "uv", "python", "find", "--no-python-downloads", python_version]
    found = subprocess.run(find, capture_output=True, text=True, check=False)  # noqa: S603 as above
    return found.stdout.strip() or None


def main(argv: Sequence[str] | None = None) -> None:
    """Build what the stages need; the folders go to stdout, the talk to stderr."""
    stages = sorted(path.stem for path in STAGES.glob("*.yaml"))
    parser = argparse.ArgumentParser(prog="python -m cdk.layers", description="Build the layers.")
    parser.add_argument("--stage", action="append", choices=stages, help="default: all of them")
    parser.add_argument("-c", "--context", action="append", default=[], metavar="NAME=VALUE")
    arguments = parser.parse_args(argv)
    overrides = dict(pair.partition("=")[::2] for pair in arguments.context)
    try:
        for stage in arguments.stage or stages:
            config = load_config({**overrides, "stage": stage})
            for layer in LAYERS:
                sys.stdout.write(f"{build_layer(layer, config)}\n")
    except ConfigurationError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
