"""Signatures are datasketch's, candidates are found, verified pairs are exact, labels canonical."""

from fractions import Fraction
from itertools import combinations

import numpy as np
import pyarrow as pa
from datasketch import MinHash
from hypothesis import given
from hypothesis import strategies as st

from corpus import schemas
from pipeline import clusters as cluster_module
from pipeline import lsh, minhash
from pipeline.components import components

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


def test_datasketch_reads_the_signatures():
    sets = [minhash.shingles(f"the quick brown fox number {i} jumps", size=2) for i in range(5)]
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
    st.randoms(),
)
def test_candidates_are_the_pairs_of_a_bucket_one_for_each_text(rows, rng):
    def run(rows):
        columns = np.array(rows, dtype=np.uint64).reshape(-1, 3)
        a, b, group = lsh.candidates(columns[:, 0], columns[:, 1], columns[:, 2])
        return list(zip(a.tolist(), b.tolist(), group.tolist(), strict=True))

    expected = set()
    for key in {row[0] for row in rows}:
        least: dict[int, int] = {}
        for _, exact, identifier in (row for row in rows if row[0] == key):
            least[exact] = min(identifier, least.get(exact, identifier))
        expected.update((a, b, 0) for a, b in combinations(sorted(least.values()), 2))
    assert set(run(rows)) == expected
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


def test_a_repeated_star_finds_every_cluster_of_a_giant_bucket():
    rng = np.random.default_rng(1)
    texts = [np.sort(rng.integers(0, 2**62, 50).astype(np.uint64)) for _ in range(4)]
    shingles = {number: texts[number % 4] for number in range(200)}
    found = lsh.verify_group(list(shingles), shingles)
    _, labels = components(
        np.array([a for a, *_ in found], np.uint64), np.array([b for _, b, *_ in found], np.uint64)
    )
    assert set(labels.tolist()) == {0, 1, 2, 3}
    assert len(found) == 196


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=60), st.randoms())
def test_components_are_those_of_the_graph_whatever_the_order(edges, rng):
    parent = {node: node for edge in edges for node in edge}

    def root(node):
        while parent[node] != node:
            node = parent[node]
        return node

    for a, b in edges:
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    shuffled = [edge if rng.random() < 0.5 else edge[::-1] for edge in edges]
    rng.shuffle(shuffled)
    columns = np.array(shuffled, dtype=np.uint64).reshape(-1, 2)
    nodes, labels = components(columns[:, 0], columns[:, 1])
    assert dict(zip(nodes.tolist(), labels.tolist(), strict=True)) == {
        node: root(node) for node in parent
    }


def test_components_of_a_long_path_take_few_rounds():
    ids = np.random.default_rng(0).permutation(200_000).astype(np.uint64)
    _, labels = components(ids[:-1], ids[1:])
    assert (labels == 0).all()


def members(graph, rows):
    """rows: (id, passes, priority, exact), any order."""
    rows = sorted(rows)
    assert [row[0] for row in rows] == graph.ids.tolist()
    return cluster_module.Members(
        passes=np.array([row[1] for row in rows], np.bool_),
        priority=np.array([row[2] for row in rows], np.int64),
        exact=np.array([row[3] for row in rows], np.uint64),
        is_known=np.ones(len(rows), np.bool_),
    )


def matches(rows):
    full = [(a, b, kind, "", common, union) for a, b, kind, common, union in rows]
    columns = list(zip(*full, strict=True)) or [[] for _ in schemas.MATCHES]
    return pa.table(
        [pa.array(c, f.type) for c, f in zip(columns, schemas.MATCHES, strict=True)],
        schema=schemas.MATCHES,
    )


def clusters(rows, pairs, near="0.8"):
    graph = cluster_module.graph(matches(pairs))
    found = cluster_module.cluster(graph, members(graph, rows), near_duplicate=Fraction(near))
    return {row["id"]: row for row in found.to_table().to_pylist()}


def test_the_survivor_is_the_first_by_priority_then_key_then_id():
    found = clusters(
        [(1, True, 1, 5), (2, True, 0, 9), (3, True, 0, 7)],
        [(1, 2, "near", 9, 10), (2, 3, "near", 9, 10)],
    )
    assert {row["survivor"] for row in found.values()} == {3}
    assert {row["size"] for row in found.values()} == {3}


def test_the_survivor_of_equal_documents_is_as_near_to_them_as_they_to_it():
    found = clusters([(1, True, 0, 5), (2, True, 0, 5)], [(1, 2, "exact", 1, 1)])
    assert [row["jaccard"] for row in found.values()] == [1.0, 1.0]
    assert [row["is_exact"] for row in found.values()] == [False, True]
    alone = clusters([(1, True, 0, 5), (2, False, 0, 5)], [(1, 2, "exact", 1, 1)])
    assert alone[1]["jaccard"] is None or np.isnan(alone[1]["jaccard"])


def test_a_document_that_fails_a_rule_takes_nobody_with_it():
    found = clusters(
        [(1, True, 0, 1), (2, False, 0, 2), (3, True, 0, 3)],
        [(1, 2, "near", 9, 10), (2, 3, "near", 9, 10)],
    )
    assert found[1]["survivor"] == 1
    assert found[3]["survivor"] == 3
    assert {row["root"] for row in found.values()} == {1}  # yet held out together


def test_a_copy_of_a_failing_original_keeps_its_neighbours():
    # 1 and 2 are equal; only 1 was compared with 3, but 1 fails a rule that 2 passes.
    found = clusters(
        [(1, False, 0, 1), (2, True, 0, 1), (3, True, 0, 3)],
        [(1, 2, "exact", 1, 1), (1, 3, "near", 9, 10)],
    )
    assert found[2]["survivor"] == found[3]["survivor"] == 2
    assert not found[2]["is_exact"]


def test_pairs_below_the_threshold_join_the_held_out_cluster_only():
    found = clusters([(1, True, 0, 1), (2, True, 0, 2)], [(1, 2, "near", 75, 100)])
    assert found[2]["survivor"] == 2
    assert found[2]["root"] == 1
    assert (
        clusters([(1, True, 0, 1), (2, True, 0, 2)], [(1, 2, "near", 75, 100)], near="0.75")[2][
            "survivor"
        ]
        == 1
    )


ROWS = st.lists(
    st.tuples(st.booleans(), st.integers(0, 1), st.integers(0, 3)), min_size=2, max_size=8
)


@given(ROWS, st.data())
def test_every_passing_document_is_kept_or_has_a_kept_survivor(rows, data):
    rows = [(number + 1, *row) for number, row in enumerate(rows)]
    exact_pairs, seen = [], {}
    for row in rows:
        if row[3] in seen:
            exact_pairs.append((seen[row[3]], row[0], "exact", 1, 1))
        seen.setdefault(row[3], row[0])
    heads = sorted(seen.values())
    near_pairs = [
        (a, b, "near", data.draw(st.integers(70, 100)), 100)
        for a, b in combinations(heads, 2)
        if data.draw(st.booleans())
    ]
    pairs = exact_pairs + near_pairs
    if not pairs:
        return
    used = {pair[0] for pair in pairs} | {pair[1] for pair in pairs}
    rows = [row for row in rows if row[0] in used]
    found = clusters(rows, pairs)
    passing = {row[0] for row in rows if row[1]}
    for row in rows:
        got = found[row[0]]
        if row[0] in passing:
            assert got["survivor"] in passing
            assert found[got["survivor"]]["survivor"] == got["survivor"]
            assert got["root"] == found[got["survivor"]]["root"]
