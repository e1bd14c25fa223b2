"""What is cut is gone, the rest stays, and no gap is left."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.text.cuts import cut


def spans_of(text: str, *pieces: str) -> list[dict[str, int]]:
    found = []
    for piece in pieces:
        start = text.encode().index(piece.encode())
        found.append({"start": start, "end": start + len(piece.encode())})
    return sorted(found, key=lambda span: span["start"])


@pytest.mark.parametrize(
    ("text", "pieces", "left"),
    [
        ("one\ntwo\nthree", ["two"], "one\nthree"),
        ("one\ntwo\nthree", ["two\n"], "one\nthree"),
        ("one\ntwo\nthree", ["\nthree"], "one\ntwo"),
        ("one\n\ntwo\n\nthree", ["two"], "one\n\nthree"),
        ("one\n\ntwo\nzwei\n\nthree", ["two", "zwei"], "one\n\nthree"),
        ("one\n\ntwo\n\nthree", ["one"], "two\n\nthree"),
        ("one\n\ntwo\n\nthree", ["three"], "one\n\ntwo"),
        ("one\n\ntwo\n\nthree", ["one", "three"], "two"),
        ("one\n\n\ntwo", [], "one\n\n\ntwo"),
        ("one\n\n\ntwo\nthree", ["three"], "one\n\n\ntwo"),
        ("käse 汉字 brot\nmehr", ["汉字 "], "käse brot\nmehr"),
        ("a b\nc d", [" b\nc"], "a\n d"),
        ("one", ["one"], ""),
    ],
)
def test_a_cut_line_goes_with_its_feed_and_its_gap(text, pieces, left):
    assert cut(text, spans_of(text, *pieces)) == left


@given(st.lists(st.sampled_from(["", " ", "a", "é b", "c"]), max_size=12), st.data())
def test_lines_that_are_not_cut_stay_in_order_and_blank_ones_never_grow(lines, data):
    text = "\n".join(lines)
    cuts, at, kept = [], 0, []
    for line in lines:
        size = len(line.encode())
        if line.strip() and data.draw(st.booleans()):
            cuts.append({"start": at, "end": at + size})
        elif line.strip():
            kept.append(line)
        at += size + 1
    left = cut(text, cuts)
    assert [line for line in left.split("\n") if line.strip()] == kept
    assert cut(text, []) == text

    def longest_gap(lines):
        gaps = "".join("." if line.strip() else " " for line in lines).split(".")
        return max(map(len, gaps))

    assert longest_gap(left.split("\n")) <= max(longest_gap(lines), 1)
