"""Two sides: every pair of an earlier and a new document in one bucket, verified exactly."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.match import earlier_pairs, lsh

# key, exact key, side, id
ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 2), st.integers(1, 40)),
    unique_by=lambda row: (row[2], row[3]),
    max_size=30,
)


def candidates(rows):
    key, exact, side, ids = np.array(rows, np.uint64).reshape(-1, 4).T
    found = earlier_pairs.candidates(key, exact, side.astype(np.int64), ids)
    return [tuple(row) for row in found.tolist()]


@given(ROWS, st.randoms())
def test_candidates_are_the_pairs_of_both_sides_that_share_a_bucket(rows, rng):
    expected = set()
    for key in {row[0] for row in rows}:
        mine = [row[1:] for row in rows if row[0] == key]
        stand_for = {}
        for exact, side, identifier in sorted(mine, key=lambda row: -row[2]):
            if side:
                stand_for[side, exact] = identifier
        expected |= {
            (side, old, new, 0)
            for (side, exact), old in stand_for.items()
            for other, which, new in mine
            if which == 0 and other != exact
        }
    assert candidates(rows) == sorted(expected)
    shuffled = list(rows)
    rng.shuffle(shuffled)
    assert candidates(shuffled) == sorted(expected)


def test_a_giant_bucket_is_linear_and_holds_every_member():
    size = math.isqrt(earlier_pairs.MAX_PAIRS) + 10
    rows = [(1, n, 1, n) for n in range(1, size)] + [(1, n + size, 0, n) for n in range(1, size)]
    found = candidates(rows)
    assert len(found) <= 2 * size
    assert len({group for *_, group in found}) == 1
    assert {a for _, a, _, _ in found} == {b for _, _, b, _ in found} == set(range(1, size))
    assert candidates([(9, *row[1:]) for row in rows]) == found
    homes = earlier_pairs.home(np.array(found, np.uint64), num=16)
    assert len(set(homes.tolist())) == 1


def shingles(rng, num, like=None, share=Fraction(0)):
    own = rng.integers(0, 2**62, num).astype(np.uint64)
    if like is not None:
        own[: int(num * share)] = like[: int(num * share)]
    return np.sort(own)


@pytest.mark.parametrize("num_old", [3, 30])
@pytest.mark.parametrize("cover", [Fraction(9, 10), Fraction(1)])
def test_in_a_giant_bucket_every_new_document_meets_what_it_is_nearest_to(num_old, cover):
    rng = np.random.default_rng(num_old)
    base = rng.integers(0, 2**62, 100).astype(np.uint64)
    table = {(1, n): shingles(rng, 100, base, Fraction(n % 3, 3)) for n in range(num_old)}
    table |= {(0, n): shingles(rng, 100, base, Fraction(n % 10, 10)) for n in range(40)}
    old, new = sorted(key for key in table if key[0]), sorted(key for key in table if not key[0])
    by_pairs = earlier_pairs.verify_pairs([(a, b) for a in old for b in new], table)
    found = earlier_pairs.verify_group(old, new, table, cover=cover)
    assert set(found) <= set(by_pairs)
    nearest = {}
    for _, b, common, union in by_pairs:
        nearest[b] = max(nearest.get(b, Fraction(0)), Fraction(common, union))
    assert sorted(b for _, b, _, _ in found) == sorted(nearest)  # each once
    for b, best in nearest.items():
        mine = max(Fraction(common, union) for _, other, common, union in found if other == b)
        assert mine == best or mine >= cover


def test_a_bucket_of_copies_takes_one_round():
    same = np.arange(50, dtype=np.uint64)
    table = {(side, n): same for side in (0, 1) for n in range(100)}
    old, new = [(1, n) for n in range(100)], [(0, n) for n in range(100)]
    assert len(earlier_pairs.verify_group(old, new, table, cover=Fraction(1))) == 100


SETS = st.lists(st.sets(st.integers(0, 12), min_size=1, max_size=12), min_size=1, max_size=8)


@given(SETS, SETS, SETS, st.integers(90, 100))
def test_of_two_earlier_corpora_each_names_the_first_of_its_nearest(one, two, new, percent):
    texts = {
        (side, n): own
        for side, all_of in enumerate((new, one, two))
        for n, own in enumerate(all_of)
    }
    table = {key: np.sort(np.array(list(own), np.uint64)) for key, own in texts.items()}
    cover = Fraction(percent, 100)

    def similarity(a, b):
        return Fraction(len(texts[a] & texts[b]), len(texts[a] | texts[b]))

    expected = set()
    for b in (key for key in texts if not key[0]):
        for side in (1, 2):
            every = sorted(key for key in texts if key[0] == side)
            # It is compared until it has met a copy.
            met = next((n for n, a in enumerate(every) if similarity(a, b) >= cover), len(every))
            near = [a for a in every[: met + 1] if similarity(a, b) >= lsh.LEAST]
            if near:
                best = max(near, key=lambda a: (similarity(a, b), -a[1]))
                common = len(texts[best] & texts[b])
                expected.add((best, b, common, len(texts[best] | texts[b])))
            if met < len(every):
                break
    old = sorted(key for key in texts if key[0])
    found = earlier_pairs.verify_group(old, sorted(set(texts) - set(old)), table, cover=cover)
    assert len(found) == len(set(found))
    assert set(found) == expected


@given(ROWS, st.randoms())
def test_a_document_stands_in_a_corpus_whose_texts_have_its_whole_key(rows, rng):
    # high and low half of the key, side, id
    expected = []
    for high, low, side, identifier in rows:
        same = [row for row in rows if row[:2] == (high, low) and row[2]]
        if not side:
            corpora = {row[2] for row in same}
            expected += [
                (corpus, min(row[3] for row in same if row[2] == corpus), identifier)
                for corpus in corpora
            ]
    rng.shuffle(rows)
    high, low, side, ids = np.array(rows, np.uint64).reshape(-1, 4).T
    found = earlier_pairs.exact_pairs(high, low, side.astype(np.int64), ids)
    assert sorted(zip(*(column.tolist() for column in found), strict=True)) == sorted(expected)
