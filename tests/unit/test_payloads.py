"""Each container family against its golden file, whose entries name their sources."""

import json
from collections.abc import Iterable

import pytest

from lambdas.core.errors import KitError, ModelFailedError
from lambdas.core.generation import Finished, Piece
from lambdas.core.payloads import payload_for
from tests.builders import an_entry
from tests.payload_cases import GOLDEN, Case, cases

FAMILIES = sorted(path.stem for path in GOLDEN.glob("*.yaml"))


def every(part: str) -> list[Case]:
    return [case for family in FAMILIES for case in cases(family, part)]


def named(case: Case) -> str:
    return f"{case.family}: {case.name}"


def read(case: Case, parts: Iterable[bytes]) -> tuple[list[Piece], KitError | None]:
    """The pieces of a reply, and the error that ended it."""
    pieces: list[Piece] = []
    try:
        for piece in payload_for(case.family).read(parts):
            pieces.append(piece)
    except KitError as error:
        return pieces, error
    return pieces, None


def test_every_family_has_a_golden_file() -> None:
    assert FAMILIES == ["hf-toolkit", "tgi", "vllm"]


@pytest.mark.parametrize("part", ["requests", "replies", "refusals"])
def test_every_golden_entry_names_its_source(part: str) -> None:
    assert [case for case in every(part) if not case.source.strip()] == []


@pytest.mark.parametrize("case", every("requests"), ids=named)
def test_a_request_is_written_as_the_container_reads_it(case: Case) -> None:
    written = payload_for(case.family).write(an_entry(), case.generation)
    assert json.loads(written) == case.fields["body"]


@pytest.mark.parametrize("case", every("replies"), ids=named)
def test_a_reply_is_read_as_the_container_wrote_it(case: Case) -> None:
    pieces, error = read(case, [case.reply])
    assert pieces == case.pieces
    assert (error is not None) == case.fails
    if error:
        case.check(error)


@pytest.mark.parametrize("case", every("replies"), ids=named)
def test_a_reply_reads_the_same_wherever_it_is_cut(case: Case) -> None:
    data = case.reply
    for place in range(len(data) + 1):
        pieces, error = read(case, [data[:place], data[place:]])
        assert (pieces, error is not None) == (case.pieces, case.fails), f"cut at {place}"
    pieces, error = read(case, [data[i : i + 1] for i in range(len(data))])
    assert (pieces, error is not None) == (case.pieces, case.fails), "byte by byte"


@pytest.mark.parametrize(
    "case", [case for case in every("replies") if case.family != "hf-toolkit"], ids=named
)
@pytest.mark.parametrize("end", [b"\r\n", b"\r"], ids=["CRLF", "CR"])
def test_a_stream_reads_the_same_with_other_line_ends(case: Case, end: bytes) -> None:
    data = case.reply.replace(b"\n", end)
    for place in range(len(data) + 1):
        pieces, error = read(case, [data[:place], data[place:]])
        assert (pieces, error is not None) == (case.pieces, case.fails), f"cut at {place}"


@pytest.mark.parametrize("case", [c for c in every("replies") if not c.fails], ids=named)
def test_a_reply_that_ends_too_early_is_a_failure(case: Case) -> None:
    """Wherever the connection breaks: what was read is right so far, and it is not taken as all."""
    for place in range(len(case.reply)):
        pieces, error = read(case, [case.reply[:place]])
        assert pieces == case.pieces[: len(pieces)]
        if not any(isinstance(piece, Finished) for piece in pieces):
            assert isinstance(error, ModelFailedError), f"broken at {place}"


@pytest.mark.parametrize("case", every("refusals"), ids=named)
def test_a_refusal_says_what_the_caller_can_do(case: Case) -> None:
    case.check(payload_for(case.family).refusal(case.fields["status"], case.fields["body"]))
