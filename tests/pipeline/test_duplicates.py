"""Signatures are datasketch's, candidates are found, verified pairs are exact, labels canonical."""

from fractions import Fraction
from itertools import combinations

import nasty
import numpy as np
import pyarrow as pa
import pytest
import word_reference
from datasketch import MinHash
from hypothesis import given
from hypothesis import strategies as st

from corpus import schemas
from pipeline import clusters as cluster_module
from pipeline import lsh, measures, minhash, quality
from pipeline.components import bridges, components
from pipeline.recipe import Matches, Measures
from pipeline.words import normalized, normalized_views

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


def sets_of(texts):
    """texts: id -> its distinct shingles."""
    ids = np.array(sorted(texts), np.uint64)
    values = [np.sort(np.array(list(texts[i]), np.uint64)) for i in ids.tolist()]
    ends = np.cumsum([len(value) for value in values], dtype=np.int64)
    starts = np.r_[0, ends[:-1]].astype(np.int64)
    return lsh.Sets(ids=ids, starts=starts, ends=ends, values=np.concatenate(values))


def pairs_by_definition(texts, least=lsh.LEAST):
    found = set()
    for a, b in combinations(sorted(texts), 2):
        common, union = len(texts[a] & texts[b]), len(texts[a] | texts[b])
        if Fraction(common, union) >= least:
            found.add((a, b, common, union))
    return found


def as_rows(sets, pairs):
    a, b, common, union = pairs
    columns = sets.ids[a].tolist(), sets.ids[b].tolist(), common.tolist(), union.tolist()
    return list(zip(*columns, strict=True))


def labels_at(threshold, texts, pairs):
    """Return the clusters of all texts, by the pairs that are similar enough."""
    near = [(a, b) for a, b, common, union in pairs if Fraction(common, union) >= threshold]
    alone = [(i, i) for i in texts]
    edges = np.array(near + alone, np.uint64).reshape(-1, 2)
    nodes, labels = components(edges[:, 0], edges[:, 1])
    return dict(zip(nodes.tolist(), labels.tolist(), strict=True))


@st.composite
def families(draw, least_texts=0):
    """Texts that are changed copies of each other, in chains, so that all similarities occur."""
    size = draw(st.integers(8, 40))
    texts: dict[int, set[int]] = {}
    fresh = 1000
    for number in range(draw(st.integers(max(2, least_texts), 30))):
        if texts and draw(st.integers(0, 5)):
            base = sorted(texts[draw(st.integers(0, number - 1))])
        else:
            base, fresh = list(range(fresh, fresh + size)), fresh + size
        num_changed = draw(st.integers(0, max(1, len(base) // 4)))
        kept = draw(st.permutations(base))[num_changed:]
        num_new = draw(st.integers(0, num_changed))
        texts[number] = {*kept, *range(fresh, fresh + num_new)}
        fresh += num_new
    return texts


@given(families(), st.randoms())
def test_verified_pairs_are_those_of_the_definition(texts, rng):
    sets = sets_of(texts)
    every = [*combinations(sorted(texts), 2)] * 2
    rng.shuffle(every)
    a, b = np.array(every, np.uint64).reshape(-1, 2).T
    found = as_rows(sets, lsh.verify(a, b, np.zeros(len(a), np.uint64), sets))
    assert found == sorted(pairs_by_definition(texts))


@given(families())
def test_a_giant_bucket_has_the_clusters_of_all_its_pairs(texts):
    sets = sets_of(texts)
    rows = np.arange(len(texts))
    found = as_rows(sets, lsh.verify_group(rows, sets, max_pairs=1))
    every = pairs_by_definition(texts)
    assert set(found) <= every
    for percent in range(70, 91):
        threshold = Fraction(percent, 100)
        assert labels_at(threshold, texts, found) == labels_at(threshold, texts, every)


@given(families(), st.data())
def test_what_hubs_held_together_holds_when_they_are_left_out(texts, data):
    # Up to 2 * COVER - 1, and for the clusters of hubs, whatever is left out.
    sets = sets_of(texts)
    found = as_rows(sets, lsh.verify_group(np.arange(len(texts)), sets, max_pairs=1))
    out = set(data.draw(st.lists(st.sampled_from(sorted(texts)), unique=True)))
    left = {i: texts[i] for i in texts if i not in out}
    threshold = Fraction(data.draw(st.integers(70, 95)), 100)
    columns = [
        (*((a, b) if a in out else (b, a)), common, union)
        for a, b, common, union in found
        if (a in out) != (b in out)
    ]
    dead, alive, common, union = np.array(columns, np.int64).reshape(-1, 4).T
    one, other, least = bridges(dead, alive, common, union, threshold=threshold)
    for a, b, bound in zip(one.tolist(), other.tolist(), least.tolist(), strict=True):
        similarity = Fraction(len(left[a] & left[b]), len(left[a] | left[b]))
        assert similarity >= threshold
        assert similarity >= bound - 1e-9
    kept = [row for row in found if row[0] in left and row[1] in left]
    bridged = [(*sorted(pair), 1, 1) for pair in zip(one.tolist(), other.tolist(), strict=True)]
    labels = labels_at(threshold, left, kept + bridged)
    for a, b, common, union in found:
        # Two that one hub covers: the star is as good as all its pairs.
        for c, d, more, whole in found:
            ends = {a, b} ^ {c, d}
            covered = min(Fraction(common, union), Fraction(more, whole)) >= lsh.COVER
            if len(ends) == 2 and covered and ends <= set(left) and threshold <= Fraction(8, 10):
                one_end, other_end = ends
                assert labels[one_end] == labels[other_end]


def test_two_that_hubs_do_not_bring_together_are_compared():
    # 0 and 1 are hubs, each with a near copy; the copies are similar, the hubs are not.
    base = set(range(1000))
    texts = {
        0: base | set(range(2000, 2170)),
        1: base | set(range(3000, 3170)),
        2: base | set(range(2000, 2080)),
        3: base | set(range(3000, 3080)),
    }
    wanted = pairs_by_definition(texts, least=Fraction(85, 100))
    assert (2, 3) in {row[:2] for row in wanted}
    assert (0, 1) not in {row[:2] for row in wanted}
    sets = sets_of(texts)
    found = as_rows(sets, lsh.verify_group(np.arange(4), sets, max_pairs=1))
    assert wanted <= set(found)


def test_a_giant_bucket_of_copies_takes_one_round_for_each_cluster():
    rng = np.random.default_rng(1)
    kinds = [set(rng.integers(0, 2**62, 50).tolist()) for _ in range(4)]
    texts = {number: kinds[number % 4] for number in range(1000)}
    sets = sets_of(texts)
    found = as_rows(sets, lsh.verify_group(np.arange(1000), sets))
    assert set(labels_at(Fraction(9, 10), texts, found).values()) == {0, 1, 2, 3}
    assert len(found) == 996


def test_a_giant_bucket_of_changed_copies_has_few_hubs_whatever_comes_first():
    # Copies that differ from one original at up to three places, that with most changes first:
    # none of them covers the others with as many, the original covers all.
    rng = np.random.default_rng(2)
    whole = np.arange(1, 401) * (2**40 + 1)
    texts = {}
    for number in range(900):
        base = whole.copy()
        num_changed = 5 * (3 - number // 300)
        base[rng.choice(400, num_changed, replace=False)] = rng.integers(2**60, 2**62, num_changed)
        texts[number] = set(base.tolist())
    sets = sets_of(texts)
    found = as_rows(sets, lsh.verify_group(np.arange(900), sets))
    assert set(labels_at(lsh.COVER, texts, found).values()) == {0}
    assert len(found) <= 2 * 900


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


def members(rows):
    """rows: (id, passes, priority, exact), any order."""
    rows = sorted(rows)
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
    found = cluster_module.cluster(graph, members(rows), near_duplicate=Fraction(near))
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
        [(1, 2, "near", 89, 100), (2, 3, "near", 89, 100)],
    )
    assert found[1]["survivor"] == 1
    assert found[3]["survivor"] == 3
    assert {row["root"] for row in found.values()} == {1}  # yet held out together


def test_a_hub_that_fails_a_rule_leaves_its_cluster_together():
    # 2 and 3 were not compared, since both are so near to 1; 4 is not near enough to tell.
    found = clusters(
        [(1, False, 0, 1), (2, True, 0, 2), (3, True, 0, 3), (4, True, 0, 4)],
        [(1, 2, "near", 95, 100), (1, 3, "near", 90, 100), (1, 4, "near", 85, 100)],
    )
    assert found[2]["survivor"] == found[3]["survivor"] == 2
    assert found[3]["jaccard"] == pytest.approx(0.85)  # at least
    assert found[4]["survivor"] == 4


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
