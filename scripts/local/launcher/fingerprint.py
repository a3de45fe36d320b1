"""One short hash of everything that a step depends on: the step is repeated when it changes."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

_INFRASTRUCTURE = (
    "cdk",
    "model_configs",
    "lambdas/core/settings.py",
    "lambdas/core/catalogue.py",
    "lambdas/core/errors.py",
    "lambdas/core/strict.py",
    "locks",
    "cdk.json",
    "package-lock.json",
)
_CODE = ("lambdas", "model_configs")


def of(paths: Iterable[Path], *words: str) -> str:
    """Hash the names, contents and executable bits of files and folders, and some words."""
    total = hashlib.sha256("\0".join(words).encode())
    for start in paths:
        for path in files_of(start):
            name = path.relative_to(start.parent).as_posix()
            executable = path.stat().st_mode & 0o100
            total.update(f"\0{name}\0{executable}\0".encode() + path.read_bytes())
    return total.hexdigest()[:16]


def files_of(start: Path) -> list[Path]:
    """List a file, or the files of a folder, sorted and without what Python compiles there."""
    if start.is_file():
        return [start]
    found = (path for path in start.rglob("*") if path.is_file())
    return sorted(path for path in found if "__pycache__" not in path.parts)


def infrastructure(root: Path, *words: str) -> str:
    """Hash what synthesis reads. The code of the functions is not in it: it needs no synthesis."""
    return of((root / name for name in _INFRASTRUCTURE), *words)


def code(root: Path) -> str:
    """Hash what is shipped as the code of every function."""
    return of(root / name for name in _CODE)
