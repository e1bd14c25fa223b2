"""Signatures are datasketch's, and candidates are the texts that share a bucket."""

from fractions import Fraction
from itertools import combinations

import nasty
import numpy as np
import pyarrow as pa
import word_reference
from datasketch import MinHash
from hypothesis import given
from hypothesis import strategies as st

from pipeline import measures
from pipeline.match import lsh
from pipeline.measure import minhash, quality
from pipeline.recipe import Matches, Measures
from pipeline.text.words import normalized, normalized_views

WORDS = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f", "g", "h"]), max_size=30)


def jaccard_by_definition(one: list[str], other: list[str], size: int) -> Fraction:
    def grams(words):
        if len(words) < size:
            return {tuple(words)} if words else set()
        return {tuple(words[i : i + size]) for i in range(len(words) - size + 1)}

    a, b = grams(one), grams(other)
    return Fraction(len(a & b), len(a | b)) if a | b else Fraction(0)


@given(WORDS, WORDS)
def test_overlap_of_shingles_is_the_jaccard_similarity_of_word_ngrams(one, other):
    a, b = (minhash.shingles(" ".join(words), size=3) for words in (one, other))
    common, union = minhash.overlap(a, b)
    assert Fraction(common, max(union, 1)) == jaccard_by_definition(one, other, 3)


@given(st.lists(st.one_of(WORDS.map(" ".join), nasty.TEXTS), max_size=5), st.integers(1, 6))
def test_shingles_of_a_batch_are_those_of_each_normalized_text(texts, size):
    views = normalized_views(pa.array(texts, pa.string()))
    batch = minhash.shingle_views(views, size=size)
    for number, text in enumerate(texts):
        alone = minhash.shingles(normalized(text), size=size)
        assert batch.sorted_set(number).tolist() == alone.tolist()
        num_words = len(word_reference.words(normalized(text)))
        assert (len(alone) > 0) == (num_words > 0)
        assert len(alone) <= max(num_words - size + 1, min(num_words, 1))
        assert batch.counts()[number] == len(alone)


def test_datasketch_reads_the_signatures():
    sets = [
        minhash.shingles(" ".join(f"{i} {word}" for word in range(length)), size=2)
        for i, length in enumerate((0, 1, 3, 4, 5, 8, 9, 40))
    ]
    matrix = minhash.signatures(sets, num_permutations=64, seed=1)
    for shingles, row in zip(sets, matrix, strict=True):
        reference = MinHash(num_perm=64, seed=1, scheme="affine32", hashfunc=int)
        reference.update_batch((shingles & np.uint64(0xFFFFFFFF)).tolist())
        assert (reference.hashvalues == row).all()
        stored = MinHash(num_perm=64, seed=1, scheme="affine32", hashvalues=row)
        assert stored.jaccard(reference) == 1.0


def test_the_signature_estimates_jaccard():
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(40):
        pool = rng.integers(0, 2**63, 600).astype(np.uint64)
        a, b = np.sort(pool[:400]), np.sort(pool[200:])
        matrix = minhash.signatures([a, b], num_permutations=256, seed=1)
        errors.append(float((matrix[0] == matrix[1]).mean()) - 1 / 3)
    # Standard error of a mean of 40 estimates with 256 permutations each.
    assert abs(float(np.mean(errors))) < 4 * (1 / 3 * 2 / 3 / 256 / 40) ** 0.5


def test_a_text_without_words_is_no_candidate_and_a_short_one_matches_its_equal_only():
    assert len(minhash.shingles("", size=5)) == 0
    one, two = (minhash.shingles(text, size=5) for text in ("to be", "to do"))
    assert minhash.overlap(one, two) == (0, 2)
    assert minhash.overlap(one, one) == (1, 1)


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 6), st.integers(1, 30)),
        unique_by=lambda row: row[2],
        max_size=25,
    ),
    st.integers(1, 8),
    st.randoms(),
)
def test_candidates_are_the_pairs_of_a_bucket_one_for_each_text(rows, max_pairs, rng):
    def run(rows):
        columns = np.array(rows, dtype=np.uint64).reshape(-1, 3)
        a, b, group = lsh.candidates(
            columns[:, 0], columns[:, 1], columns[:, 2], max_pairs=max_pairs
        )
        return list(zip(a.tolist(), b.tolist(), group.tolist(), strict=True))

    expected: set[tuple[int, int]] = set()
    giants: set[tuple[int, ...]] = set()
    for key in {row[0] for row in rows}:
        least: dict[int, int] = {}
        for _, exact, identifier in (row for row in rows if row[0] == key):
            least[exact] = min(identifier, least.get(exact) or identifier)
        if len(least) > max_pairs:
            giants.add(tuple(sorted(least.values())))
        else:
            expected.update(combinations(sorted(least.values()), 2))
    found = run(rows)
    assert found == sorted(set(found))
    assert {(a, b) for a, b, group in found if not group} == expected
    told: dict[int, set[int]] = {}
    for a, b, group in found:
        if group:
            told.setdefault(group, {a}).add(b)
            assert a <= min(told[group])
    assert {tuple(sorted(members)) for members in told.values()} == {
        members for members in giants if len(members) > 1
    }
    shuffled = list(rows)
    rng.shuffle(shuffled)
    assert run(shuffled) == run(rows)


def test_a_giant_bucket_is_linear_and_named_by_its_members():
    size = lsh.MAX_PAIRS_BUCKET + 50
    ids = np.arange(1, size + 1, dtype=np.uint64)
    same = np.ones(size, dtype=np.uint64)
    a, _, group = lsh.candidates(same, ids, ids)
    assert len(a) == size - 1
    assert set(a.tolist()) == {1}
    assert len(set(group.tolist())) == 1
    again = lsh.candidates(same * np.uint64(9), ids, ids)[2]
    assert again[0] == group[0] > 0


def test_texts_without_any_word_are_the_same_only_if_they_are_equal():
    texts = ["🙂🙂", "!!!", "...", "—", "🙂🙂", "Word.", "word"]
    batch = pa.record_batch(
        {"id": pa.array(range(7), pa.uint64()), "source": ["s"] * 7, "text": texts}
    )
    languages = [pa.array(["und"] * 7), pa.array([0] * 7, pa.int64()), pa.array([""] * 7)]
    scores = quality.columns(texts, Measures())
    found = measures.measure(batch, languages, scores, config=Matches())
    keys = found.column("exact").to_pylist()
    assert [keys.index(key) for key in keys] == [0, 1, 2, 3, 0, 5, 5]
