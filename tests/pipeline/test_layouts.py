"""Every layout keeps every token once, joins nothing without a boundary and knows no chance."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.encoding import tokens
from pipeline.packing import layouts

texts = st.lists(
    st.lists(st.sampled_from([0, 0, 0, 1, 1, 1, 2]), min_size=1, max_size=150).map(bytes),
    max_size=12,
)


def joined(documents: list[bytes]) -> tuple[bytes, list[int]]:
    return b"".join(documents), np.cumsum([0, *map(len, documents)]).tolist()


@pytest.mark.parametrize("name", layouts.LAYOUTS)
@given(documents=texts, row_length=st.integers(8, 64))
def test_rows_hold_every_token_once_between_boundaries(name, documents, row_length):
    breaks, offsets = joined(documents)
    pieces = layouts.LAYOUTS[name](breaks, offsets, row_length)
    seen = np.zeros(len(breaks), dtype=int)
    used = np.zeros((pieces.num_rows, row_length), dtype=int)
    for p, size in enumerate(pieces.sizes().tolist()):
        begin, end, row, start = (
            int(column[p]) for column in (pieces.begin, pieces.end, pieces.row, pieces.start)
        )
        document = int(pieces.document[p])
        assert offsets[document] <= begin < end <= offsets[document + 1]
        assert start + size <= row_length
        seen[begin:end] += 1
        used[row, start : start + size] += 1
        if end < offsets[document + 1]:
            # Inside a word only where a word is longer than the room of a piece.
            room = (row_length - 3) // 2 if name == "pair" else row_length - 2
            assert breaks[end] or not any(breaks[begin + 1 : begin + room + 1])
    assert (seen == 1).all()
    # No row is empty, has a gap, or holds a place twice.
    assert all(row.tolist() == sorted(row.tolist(), reverse=True) for row in used)
    assert (used.sum(axis=1) > 0).all()
    assert used.max(initial=0) <= 1


@pytest.mark.parametrize("name", ["best_fit", "doc"])
@given(documents=texts, row_length=st.integers(8, 200))
def test_a_document_that_fits_a_row_is_never_cut(name, documents, row_length):
    breaks, offsets = joined(documents)
    pieces = layouts.LAYOUTS[name](breaks, offsets, row_length)
    for number, (begin, end) in enumerate(pairwise(offsets)):
        if end - begin <= row_length - 2:
            assert (pieces.document == number).sum() == 1


@given(documents=texts, row_length=st.integers(8, 64))
def test_a_row_of_layout_doc_holds_one_document(documents, row_length):
    pieces = layouts.doc(*joined(documents), row_length)
    assert pieces.row.tolist() == list(range(pieces.num_rows))


@given(documents=texts, row_length=st.integers(8, 64))
def test_layout_concat_keeps_the_order_of_the_text(documents, row_length):
    pieces = layouts.concat(*joined(documents), row_length)
    assert pieces.begin.tolist() == sorted(pieces.begin.tolist())
    assert pieces.begin.tolist()[1:] == pieces.end.tolist()[:-1]
    places = list(zip(pieces.row.tolist(), pieces.start.tolist(), strict=True))
    assert places == sorted(places)


@given(documents=texts, row_length=st.integers(8, 64))
def test_a_pair_is_two_segments_that_follow_and_fit_any_other(documents, row_length):
    breaks, offsets = joined(documents)
    pieces = layouts.pair(breaks, offsets, row_length)
    longest = (row_length - 3) // 2
    assert (pieces.end - pieces.begin <= longest).all()
    for row in range(pieces.num_rows):
        mine = np.flatnonzero(pieces.row == row)
        assert pieces.opens[mine].tolist() == [True, False][: len(mine)]
        assert len(set(pieces.document[mine].tolist())) == 1
        first, last = mine[0], mine[-1]
        if len(mine) == 2:
            assert pieces.end[first] == pieces.begin[last]
        else:
            # A document that ends with a lone word.
            assert not any(breaks[pieces.begin[first] + 1 : pieces.end[first]])
            assert pieces.end[first] in offsets


def sentences(rng: np.random.Generator, *, num_tokens: int) -> bytes:
    """Return the breaks of a document: words of 1 to 3 tokens, sentences of 3 to 20 words."""
    breaks = np.zeros(num_tokens, dtype=np.uint8)
    words = np.cumsum(rng.integers(1, 4, num_tokens))
    first = np.cumsum(rng.integers(3, 21, num_tokens))
    breaks[words[words < num_tokens]] = tokens.WORD
    starts = words[first[first < num_tokens]]
    breaks[starts[starts < num_tokens]] = tokens.SENTENCE
    return breaks.tobytes()


@pytest.mark.parametrize("row_length", [512, 1024])
def test_rows_of_long_documents_are_full_although_cut_at_sentences(row_length):
    rng = np.random.default_rng(0)
    sizes = rng.lognormal(7.1, 1.1, 800).astype(int) + 20
    breaks, offsets = joined([sentences(rng, num_tokens=size) for size in sizes.tolist()])
    pieces = layouts.best_fit(breaks, offsets, row_length)
    assert pieces.sizes().sum() / (pieces.num_rows * row_length) > 0.995
    ends = set(pieces.end.tolist()) - set(offsets)
    assert all(breaks[end] == tokens.SENTENCE for end in ends)
    # The fillers are few: a token stands in a piece nearly as long as without them.
    text = pieces.end - pieces.begin
    alone = layouts.doc(breaks, offsets, row_length)
    alone = alone.end - alone.begin
    assert (text**2).sum() > 0.94 * (alone**2).sum()


def test_which_segment_of_a_pair_is_the_longer_does_not_tell_the_order():
    rng = np.random.default_rng(3)
    sizes = rng.integers(8, 400, 3000).tolist()
    breaks, offsets = joined([sentences(rng, num_tokens=size) for size in sizes])
    pieces = layouts.pair(breaks, offsets, 256)
    text = pieces.end - pieces.begin
    seconds = np.flatnonzero(~pieces.opens)
    # The last rows of documents, whose segments are those that differ most.
    last = seconds[np.isin(pieces.end[seconds], offsets)]
    first_is_longer = text[last - 1] > text[last]
    differ = text[last - 1] != text[last]
    assert differ.sum() > 2500
    share = first_is_longer[differ].mean()
    assert abs(share - 0.5) < 4 * np.sqrt(0.25 / differ.sum())
    # They differ by a sentence, not by all that a row holds.
    assert np.quantile(abs(text[last - 1] - text[last]), 0.95) < 40
