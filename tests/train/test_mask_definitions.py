"""What the compiled loops hide and show is what the definitions say, word for word."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from corpus import keyed
from train import kernels, mask
from train.mask import MaskConfig, Vocabulary

SIZE, MASK, SPECIAL = 40, 4, (0, 1, 2, 3, 4)
FLAGS = st.lists(
    st.sampled_from([0, kernels.WORD_START, kernels.WORD_OPEN, kernels.WORD_OPEN]),
    min_size=SIZE,
    max_size=SIZE,
)
ROWS = st.lists(
    st.lists(st.integers(0, SIZE - 1), min_size=24, max_size=24), min_size=1, max_size=4
).map(lambda rows: np.array(rows, np.uint16))


def hidden(ids, known: Vocabulary, *, rate: float) -> np.ndarray:
    indices = np.arange(len(ids), dtype=np.uint64)
    return mask.choose_targets(
        ids,
        indices,
        seed=1,
        rate=rate,
        vocabulary=known,
        config=MaskConfig(unit="word"),
        out=np.empty(ids.shape, np.bool_),
    )


def words_of(row: list[int], flags: list[int]) -> list[range]:
    """Return the words of a row: a token goes on with an open one, unless it begins a word."""
    words: list[range] = []
    for at, number in enumerate(row):
        if number in SPECIAL:
            continue
        goes_on = at > 0 and row[at - 1] not in SPECIAL and flags[row[at - 1]] & kernels.WORD_OPEN
        if goes_on and not flags[number] & kernels.WORD_START:
            words[-1] = range(words[-1].start, at + 1)
        else:
            words.append(range(at, at + 1))
    return words


@given(ids=ROWS, flags=FLAGS, rate=st.floats(0.01, 0.9))
def test_a_word_goes_on_only_behind_a_token_that_is_open(ids, flags, rate) -> None:
    known = Vocabulary(
        size=SIZE, mask_id=MASK, special_ids=SPECIAL, words=np.array(flags, dtype=np.uint8)
    )
    for number, found in enumerate(hidden(ids, known, rate=rate)):
        words = words_of(ids[number].tolist(), flags)
        num = sum(map(len, words))
        left = min(max(1, int(np.floor(rate * num + 0.5))), num)
        key = {w.start: int(keyed.mix(1, 1, number, w.start)) >> 16 for w in words}
        wanted: set[int] = set()
        turns = sorted(words, key=lambda w: (key[w.start], w.start))
        budget = left
        for word in turns:
            if len(word) <= left:
                wanted |= set(word)
                left -= len(word)
        if words and not wanted:
            wanted = set(range(turns[0].start, turns[0].start + budget))
        assert set(np.flatnonzero(found).tolist()) == wanted


@given(sizes=st.lists(st.integers(5, 9), min_size=1, max_size=3), first=st.integers(5, SIZE - 1))
def test_of_words_that_are_all_too_long_the_first_in_hash_order_begins_hidden(sizes, first) -> None:
    flags = np.full(SIZE, kernels.WORD_OPEN, dtype=np.uint8)
    known = Vocabulary(size=SIZE, mask_id=MASK, special_ids=SPECIAL, words=flags)
    row: list[int] = []
    starts: list[int] = []
    for size in sizes:
        starts.append(len(row) + 1)
        row += [2, *[first] * size, 3]
    ids = np.array([row], dtype=np.uint16)
    (found,) = hidden(ids, known, rate=0.15)
    budget = int(np.floor(0.15 * sum(sizes) + 0.5))
    assert 1 <= budget < min(sizes)
    start = min(starts, key=lambda at: int(keyed.mix(1, 1, 0, at)))
    assert np.flatnonzero(found).tolist() == list(range(start, start + budget))


@given(ids=ROWS, seed=st.integers(0, 2**64 - 1), first=st.integers(0, 2**40))
def test_what_stands_at_a_hidden_place_follows_from_seed_row_and_place(ids, seed, first) -> None:
    """Kind and random token are draws of their own (streams 2 and 3 of the seed)."""
    known = Vocabulary(size=SIZE, mask_id=MASK, special_ids=SPECIAL)
    targets = known.ordinary()[ids]
    indices = np.arange(first, first + len(ids), dtype=np.uint64)
    shown = mask.hide(
        ids,
        targets,
        indices,
        seed=seed,
        config=MaskConfig(replace="80-10-10"),
        vocabulary=known,
        out=np.empty(ids.shape, np.int64),
    )
    places = np.arange(ids.shape[1], dtype=np.uint64)
    kind = keyed.mix(seed, 2, indices[:, None], places[None, :])
    random = keyed.mix(seed, 3, indices[:, None], places[None, :]) % np.uint64(SIZE - 5) + 5
    wanted = np.where(keyed.below(kind, 0.9), random, ids)
    wanted[keyed.below(kind, 0.8)] = MASK
    assert np.array_equal(shown, np.where(targets, wanted, ids))
