"""Server-sent events out of arbitrary slices of bytes."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.core.payloads import sse


def slices(data: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(places)]


def test_lines_end_with_lf_cr_or_crlf() -> None:
    assert list(sse.lines([b"a\nb\rc\r\nd"])) == [b"a", b"b", b"c", b"d"]


def test_empty_lines_are_lines() -> None:
    assert list(sse.lines([b"a\n\nb\r\n\r\n"])) == [b"a", b"", b"b", b""]


def test_a_crlf_cut_in_the_middle_is_one_end() -> None:
    assert list(sse.lines([b"a\r", b"\nb\n"])) == [b"a", b"b"]


def test_no_bytes_are_no_lines() -> None:
    assert list(sse.lines([])) == []
    assert list(sse.lines([b"", b""])) == []


def test_data_is_taken_with_and_without_a_space_and_the_rest_is_skipped() -> None:
    stream = b': ping\n\nid: 1\nevent: x\ndata: {"a":1}\n\ndata:[DONE]\n\ndata:\n\n'
    assert list(sse.events([stream])) == [b'{"a":1}', b"[DONE]"]


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([b"a", b"\r", b"\n", b"\r\n", b"data: x", "ü".encode()])).map(
        b"".join
    ),
    st.lists(st.integers(min_value=0, max_value=1000), max_size=8),
)
def test_lines_are_the_same_wherever_the_bytes_are_cut(data: bytes, cuts: list[int]) -> None:
    expected = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    if expected[-1] == b"":
        expected.pop()
    assert list(sse.lines(slices(data, cuts))) == expected
