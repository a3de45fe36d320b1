"""The fenced blocks of a Markdown page, and the one shell script that its commands make."""

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE_KIT = re.compile(r"`(kit [^`]+)`")
_MARK = "==> "


@dataclass(frozen=True)
class Block:
    """A fenced block; `place` is `README.md:11`, its first line."""

    place: str
    language: str
    text: str

    @property
    def script(self) -> str:
        """As a part of a bash script."""
        if self.language == "python":
            return f"python - <<'END_OF_BLOCK'\n{self.text}END_OF_BLOCK\n"
        return self.text


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text()
    found = _FENCE.finditer(text)
    return [Block(_place(page, text, m.start(2)), m[1], m[2]) for m in found]


def one_script(blocks: Iterable[Block]) -> str:
    """All blocks for one shell, as a reader types them: what one sets, the next one finds.

    An HTTP error ends curl, and with it the script; each block says where it stands first.
    """
    parts = ["set -eo pipefail", 'curl() { command curl --fail-with-body -sS "$@"; }']
    for block in blocks:
        parts += [f"echo {shlex.quote(_MARK + block.place)}", block.script]
    return "\n".join(parts)


def last_place(output: str) -> str:
    """Where the script was when its output ended."""
    places = [line.removeprefix(_MARK) for line in output.splitlines() if line.startswith(_MARK)]
    return places[-1] if places else "before the first block"


def kit_commands(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Every `kit ...` that is shown but not run: in console blocks, and within sentences."""
    text = page.read_text()
    for block in blocks_of(page):
        if block.language == "console":
            for line in block.text.splitlines():
                if line.startswith("$ kit "):
                    yield block.place, shlex.split(line, comments=True)[2:]
    for match in _INLINE_KIT.finditer(_FENCE.sub(_blank, text)):
        yield _place(page, text, match.start()), shlex.split(match[1])[1:]


def _blank(block: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", block[0])


def _place(page: Path, text: str, offset: int) -> str:
    return f"{page.name}:{text.count(chr(10), 0, offset) + 1}"
