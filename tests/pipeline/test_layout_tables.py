"""Where rows are cut: tables of small documents, beside the properties of test_layouts.py."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.encoding import tokens
from pipeline.packing import layouts


def text(*sentences: int) -> bytes:
    """Return the breaks of sentences of so many words, each a token."""
    return b"".join(bytes([tokens.SENTENCE, *[tokens.WORD] * (size - 1)]) for size in sentences)


def placed(layout: layouts.Layout, documents: list[bytes], row_length: int) -> list[list[int]]:
    """Return the tokens of each piece, row by row."""
    offsets = np.cumsum([0, *map(len, documents)]).tolist()
    pieces = layout(b"".join(documents), offsets, row_length)
    turn = np.lexsort((pieces.start, pieces.row)).tolist()
    found: list[list[int]] = [[] for _ in range(pieces.num_rows)]
    for piece in turn:
        found[pieces.row[piece]].append(int(pieces.end[piece] - pieces.begin[piece]))
    return found


def test_concat_ends_a_row_with_a_sentence_of_the_last_quarter_or_else_within_one() -> None:
    # Rows of 32: 30 of text, of which 8 may be left for the end of a sentence.
    assert placed(layouts.concat, [text(25, 20)], 32) == [[25], [20]]
    assert placed(layouts.concat, [text(23, 20)], 32) == [[23], [20]]
    # One word sooner, the row would be three quarters full: the long sentence is cut.
    assert placed(layouts.concat, [text(22, 20)], 32) == [[30], [12]]
    assert placed(layouts.concat, [text(5, 60)], 32) == [[30], [30], [5]]


def test_concat_begins_no_sentence_in_what_is_left_of_a_row_when_that_is_less_than_a_quarter():
    # 32 less 24 with its two special tokens less two more: room for 6, for 7, for 8.
    assert placed(layouts.concat, [text(22), text(40)], 32) == [[22], [30], [10]]
    assert placed(layouts.concat, [text(21), text(40)], 32) == [[21], [30], [10]]
    assert placed(layouts.concat, [text(20), text(40)], 32) == [[20, 8], [30], [2]]


def test_a_pair_of_one_short_text_is_cut_nearest_its_middle() -> None:
    # Of two ends of sentences the nearer one, on either side; of two as near the first.
    assert placed(layouts.pair, [text(2, 4, 4)], 40) == [[6, 4]]
    assert placed(layouts.pair, [text(4, 5, 1)], 40) == [[4, 6]]
    assert placed(layouts.pair, [text(3, 4, 3)], 40) == [[3, 7]]
    assert placed(layouts.pair, [text(1, 8, 1)], 40) == [[1, 9]]
    # In one sentence at the word there.
    assert placed(layouts.pair, [text(10)], 40) == [[5, 5]]
    # Where there are no words, at the letter there.
    letters = bytes([tokens.SENTENCE]) + bytes([tokens.LETTER]) * 29
    assert placed(layouts.pair, [letters], 40) == [[15, 15]]


@given(sizes=st.lists(st.integers(1, 12), min_size=1, max_size=30))
def test_segments_of_pairs_are_whole_sentences_as_many_as_fit_half_a_row(sizes) -> None:
    """But for a document's last row, which shares out what is left."""
    half = 12  # of a row of 27: as long as the longest sentence
    found = placed(layouts.pair, [text(*sizes)], 2 * half + 3)
    ends = {0, *np.cumsum(sizes).tolist()}
    begin = 0
    for segment in [size for row in found[:-1] for size in row]:
        assert begin + segment == max(end for end in ends if end <= begin + half)
        begin += segment
