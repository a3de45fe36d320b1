"""Where a model's weights are on this machine, and whether they are the right ones."""

import hashlib
import json
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from lambdas.core.catalogue import LocalArtefact, ModelEntry


class WeightsError(Exception):
    """The weights cannot be used; the message is for the caller."""


class Weights:
    """Finds weights in the packages that carry them; `replacement` stands in for any chat model."""

    def __init__(self, state_dir: Path, replacement: Path | None = None) -> None:
        self._verdicts = state_dir / "weights.json"
        self._replacement = replacement

    def path(self, entry: ModelEntry) -> Path:
        """Find the file that answers for `entry`, its SHA-256 checked.

        Raises:
            WeightsError: the entry runs in the cloud only, or the file is absent or another one.
        """
        if self._replacement and entry.task == "chat":
            return _existing(self._replacement)
        if entry.local is None:
            raise WeightsError(cloud_only(entry))
        path = _existing(_installed(entry.local))
        digest = self._digest(path)
        if digest != entry.local.sha256:
            raise WeightsError(
                f"{path} has SHA-256 {digest}; {entry.id!r} names {entry.local.sha256}"
            )
        return path

    def _digest(self, path: Path) -> str:
        """Hash the file, once for each size and time of change: it is some hundred megabytes."""
        stat = path.stat()
        seen = f"{path} {stat.st_size} {stat.st_mtime_ns}"
        verdicts: dict[str, str] = {}
        if self._verdicts.is_file():
            verdicts = json.loads(self._verdicts.read_text())
        if seen not in verdicts:
            with path.open("rb") as file:
                verdicts[seen] = hashlib.file_digest(file, "sha256").hexdigest()
            self._verdicts.parent.mkdir(parents=True, exist_ok=True)
            partial = self._verdicts.with_suffix(".partial")
            partial.write_text(json.dumps(verdicts, indent=1))
            partial.replace(self._verdicts)
        return verdicts[seen]


def cloud_only(entry: ModelEntry) -> str:
    return f"{entry.id!r} runs in the cloud only: its entry names no local artefact"


def _installed(artefact: LocalArtefact) -> Path:
    try:
        return Path(str(distribution(artefact.package).locate_file(artefact.path)))
    except PackageNotFoundError as error:
        raise WeightsError(f"the package {artefact.package} is not installed") from error


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise WeightsError(f"no weights at {path}")
    return path
