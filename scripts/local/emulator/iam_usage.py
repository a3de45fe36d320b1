"""Which actions each function has used while IAM is enforced: what else it may do is too much."""

import json
from pathlib import Path
from typing import NamedTuple


class Use(NamedTuple):
    """One kind of use: the same function, action, resource and outcome count once."""

    principal: str
    action: str
    resource: str
    allowed: bool


class IamUsage:
    """Appends each new use to a file of JSON lines."""

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        self._seen = {Use(**json.loads(line)) for line in lines}

    def note(self, use: Use) -> None:
        if use not in self._seen:
            self._seen.add(use)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(use._asdict()) + "\n")
