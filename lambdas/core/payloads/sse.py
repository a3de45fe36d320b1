"""Server-sent events out of arbitrary slices of bytes."""

from collections.abc import Iterable, Iterator


def lines(parts: Iterable[bytes]) -> Iterator[bytes]:
    r"""Whole lines without their end, which may be LF, CR or CRLF; an unended last line too."""
    rest = b""
    for part in parts:
        rest += part
        # A CR at the very end may be the first half of a CRLF: it waits for the next part.
        *whole, rest = _split(rest)
        yield from whole
    if rest:
        yield rest.rstrip(b"\r")


def events(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The data of each event. Comments and other fields are skipped.

    Containers write one line of data an event, with and without a space after the colon.
    """
    for line in lines(parts):
        if line.startswith(b"data:"):
            data = line[5:].strip()
            if data:
                yield data


def _split(text: bytes) -> list[bytes]:
    held = text.endswith(b"\r")
    whole = (text[:-1] if held else text).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return [*whole[:-1], whole[-1] + b"\r"] if held else whole
