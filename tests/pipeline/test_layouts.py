"""Every layout keeps every token once, joins nothing without a boundary and knows no chance."""

import gzip
import json
import unicodedata
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from pipeline.encoding import encoders, tokens, vocabularies
from pipeline.packing import layouts

texts = st.lists(
    st.lists(st.sampled_from([0, 1, 2, 2, 3, 4, 4, 4, 5]), min_size=1, max_size=150).map(bytes),
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
            # Inside a word only where a word is longer than the room of a piece; and so down to
            # the bytes of a code point.
            room = (row_length - 3) // 2 if name == "pair" else row_length - 2
            reached = max(breaks[begin + 1 : begin + room + 1])
            assert breaks[end] >= min(reached, tokens.LETTER)
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
            inside = breaks[pieces.begin[first] + 1 : pieces.end[first]]
            assert max(inside, default=0) < tokens.WORD
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


HARD = [
    "QmFzZTY0",
    "中文没有空格",
    "日本語テキスト",
    "กี่คนน้ำ",
    "ខ្មែរ",
    "👩‍👩‍👧",
    "é",
    "e\u0301",
    "。",
    "、",
    " ",
    "\n",
]
# Words and characters longer than a row, too.
HARD_TEXTS = st.lists(
    st.tuples(st.sampled_from(HARD) | st.text(min_size=1, max_size=9), st.integers(1, 40)).map(
        lambda pair: pair[0] * pair[1]
    ),
    max_size=6,
).map("".join)


@pytest.fixture(scope="module")
def byte_levels() -> list[Tokenizer]:
    """Return byte-level tokenizers: of single bytes nearly, and with merges inside characters."""
    few = vocabularies.train_bpe(lambda: iter([" ".join(HARD)] * 9), vocabulary=262)
    return [few, vocabularies.train_bpe(lambda: iter([" ".join(HARD)] * 9), vocabulary=320)]


def cut_texts(
    texts: list[str], own: Tokenizer, layout: Callable, row_length: int
) -> tuple[list[bytes], Counter[int]]:
    """Return the bytes of every piece, and how many cuts there are of each kind."""
    found = [one for one in tokens.encode(texts, encoders.Plain(own)) if len(one.ids)]
    breaks, offsets = joined([one.breaks for one in found])
    ids = np.concatenate([np.empty(0, np.uint32), *(one.ids for one in found)])
    pieces = layout(breaks, offsets, row_length)
    alphabet = {char: byte for byte, char in byte_spelling().items()}
    texts_of = [
        bytes(
            alphabet[char]
            for number in ids[begin:end]
            for char in own.id_to_token(int(number)) or ""
        )
        for begin, end in zip(pieces.begin.tolist(), pieces.end.tolist(), strict=True)
    ]
    cuts = Counter(breaks[end] for end in pieces.end.tolist() if end not in offsets)
    return texts_of, cuts


def byte_spelling() -> dict[int, str]:
    """Return the character that spells each byte in byte-level tokens."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in plain]
    return dict(zip(plain, map(chr, plain), strict=True)) | {
        byte: chr(0x100 + number) for number, byte in enumerate(rest)
    }


@pytest.mark.parametrize("name", layouts.LAYOUTS)
@given(texts=st.lists(HARD_TEXTS, max_size=4), row_length=st.integers(11, 40))
def test_every_piece_is_whole_code_points_whatever_the_text(byte_levels, name, texts, row_length):
    """From rows of 11 on: the four bytes of one fit half a row.

    Merges over the ends of code points may leave a row without a token that begins with one; such
    cuts are counted.
    """
    for own, is_always in zip(byte_levels, (True, False), strict=True):
        pieces, cuts = cut_texts(texts, own, layouts.LAYOUTS[name], row_length)
        num_broken = sum(piece[0] & 0xC0 == 0x80 for piece in pieces)
        assert num_broken == cuts[tokens.BYTE]
        if is_always:
            assert num_broken == 0
            assert Counter("".join(piece.decode() for piece in pieces)) == Counter("".join(texts))


@pytest.mark.parametrize("name", layouts.LAYOUTS)
def test_real_text_without_spaces_is_cut_at_clauses_or_letters(real_data, name):
    with gzip.open(real_data / "langid" / "udhr.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    documents = [row["text"] for row in rows if row["iso639_3"] in ("cmn", "tha", "mya", "khm")]
    assert len(documents) > 3
    own = vocabularies.train_bpe(lambda: iter(documents), vocabulary=512)
    pieces, cuts = cut_texts(documents, own, layouts.LAYOUTS[name], 128)
    firsts = [piece.decode()[0] for piece in pieces]
    assert not [first for first in firsts if unicodedata.category(first)[0] == "M"]
    assert set(cuts) <= {tokens.SENTENCE, tokens.WORD, tokens.LETTER}
    # A letter alone is the last resort: most sentences have a comma or a space within reach.
    assert cuts[tokens.LETTER] < 0.25 * cuts.total()


def test_a_word_begins_a_piece_of_a_script_without_spaces_only_where_one_is_near():
    letter, word, inside = (
        bytes([kind]) for kind in (tokens.LETTER, tokens.WORD, tokens.CHARACTER)
    )
    for whole, after in (
        (letter * 50 + word + letter * 60, 50),
        (letter * 20 + word + letter * 90, 60),
        (inside * 20 + word + inside * 90, 20),
    ):
        assert tokens.cut(whole, 0, len(whole), limit=60)[0] == (0, after)


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
