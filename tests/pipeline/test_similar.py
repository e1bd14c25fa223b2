"""Verified pairs are exact; what is stored of a large bucket has the clusters of all its pairs."""

import io
from fractions import Fraction
from itertools import combinations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pipeline.match import clusters, dense, dense_kernel, lsh, partition, similar, verified
from pipeline.match.components import components


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
    plain = np.zeros(len(a), np.uint64)
    pairs, num_giant = similar.verify(a, b, plain, sets, cover=clusters.LEAST_COVER)
    found = as_rows(sets, pairs)
    assert num_giant == 0
    assert found == sorted(pairs_by_definition(texts))


@given(families(), st.integers(90, 100), st.integers(0, 8))
def test_a_giant_bucket_has_the_clusters_of_all_its_pairs_up_to_its_cover(texts, most, num_pivots):
    sets = sets_of(texts)
    cover = clusters.cover(Fraction(most, 100))
    found = as_rows(
        sets,
        similar.verify_group(
            np.arange(len(texts)), sets, cover=cover, max_pairs=1, num_pivots=max(1, num_pivots)
        ),
    )
    every = pairs_by_definition(texts)
    assert set(found) <= every
    assert len(found) < len(texts)
    for percent in range(70, most + 1):
        threshold = Fraction(percent, 100)
        assert labels_at(threshold, texts, found) == labels_at(threshold, texts, every)


@given(families(least_texts=3), st.data())
def test_buckets_that_overlap_have_the_clusters_of_all_their_pairs(texts, data):
    # As candidates tells them: by members, the same texts in several buckets, in any order.
    buckets = data.draw(
        st.lists(st.sets(st.sampled_from(sorted(texts)), min_size=2), min_size=1, max_size=6)
    )
    told = [
        (min(bucket), other, number + 1)
        for number, bucket in enumerate(buckets)
        for other in bucket - {min(bucket)}
    ]
    a, b, group = np.array(data.draw(st.permutations(told * 2)), np.uint64).T
    sets = sets_of(texts)
    pairs, num_giant = similar.verify(a, b, group, sets, cover=clusters.LEAST_COVER)
    assert num_giant == 0
    found = as_rows(sets, pairs)
    together = {pair for bucket in buckets for pair in combinations(sorted(bucket), 2)}
    every = {row for row in pairs_by_definition(texts) if row[:2] in together}
    assert found == sorted(set(found))
    assert set(found) <= every
    assert len(found) < len(texts)
    for percent in range(70, 101):
        threshold = Fraction(percent, 100)
        assert labels_at(threshold, texts, found) == labels_at(threshold, texts, every)
    # What `fates` calls the nearest is stored.
    for text in texts:
        assert max((Fraction(*row[2:]) for row in found if text in row[:2]), default=None) == max(
            (Fraction(*row[2:]) for row in every if text in row[:2]), default=None
        )


def test_a_family_that_looks_alike_is_stored_by_its_texts_not_its_pairs():
    # 700 pages of one template, J about 0.75 each with each: 244,650 pairs.
    rng = np.random.default_rng(3)
    template = rng.integers(0, 2**62, 300).tolist()
    texts = {n: {*template, *rng.integers(0, 2**62, 50).tolist()} for n in range(700)}
    sets = sets_of(texts)
    found = similar.verify_group(np.arange(700), sets)
    assert len(found[0]) == 699
    assert set(labels_at(lsh.LEAST, texts, as_rows(sets, found)).values()) == {0}


@given(families(), st.randoms())
def test_a_spanning_forest_is_the_same_whatever_the_order(texts, rng):
    rows = sorted(pairs_by_definition(texts))
    columns = np.array(rows, np.int64).reshape(-1, 4).T
    found = similar.spanning(tuple(columns))
    rng.shuffle(rows)
    again = similar.spanning(tuple(np.array(rows, np.int64).reshape(-1, 4).T))
    assert [column.tolist() for column in found] == [column.tolist() for column in again]


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
    found = as_rows(sets, similar.verify_group(np.arange(4), sets, max_pairs=1))
    assert labels_at(Fraction(85, 100), texts, found) == labels_at(Fraction(85, 100), texts, wanted)


def test_a_giant_bucket_of_copies_takes_one_round_for_each_cluster():
    rng = np.random.default_rng(1)
    kinds = [set(rng.integers(0, 2**62, 50).tolist()) for _ in range(4)]
    texts = {number: kinds[number % 4] for number in range(1000)}
    sets = sets_of(texts)
    found = as_rows(sets, similar.verify_group(np.arange(1000), sets))
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
    found = as_rows(sets, similar.verify_group(np.arange(900), sets))
    assert set(labels_at(clusters.LEAST_COVER, texts, found).values()) == {0}
    assert len(found) == 899


@given(
    st.lists(st.sets(st.integers(0, 60), min_size=1, max_size=40), min_size=2, max_size=14),
    st.integers(0, 10),
)
def test_encoded_texts_share_what_they_do(texts, tenths):
    sets = sets_of(dict(enumerate(texts)))
    everyone = np.arange(len(texts))
    one, other = (
        np.array(column) for column in zip(*combinations(range(len(texts)), 2), strict=True)
    )
    least = Fraction(tenths, 10)
    found = dense.encode(everyone, sets).num_common(one, other, least=least).tolist()
    for a, b, num in zip(one.tolist(), other.tolist(), found, strict=True):
        shared, union = len(texts[a] & texts[b]), len(texts[a] | texts[b])
        assert num == (shared if Fraction(shared, union) >= least else -1)


def test_encoded_texts_share_what_they_do_however_many_elements_they_have():
    # More frequent elements than there are bits, elements of one slot, and a zero.
    rng = np.random.default_rng(5)
    pool = rng.integers(0, 2**44, 3000).astype(np.uint64) << np.uint64(dense_kernel.SLOT_BITS - 2)
    texts = {n: {0, *rng.choice(pool, 2000, replace=False).tolist()} for n in range(40)}
    sets = sets_of(texts)
    one, other = np.triu_indices(40, k=1)
    found = dense.encode(np.arange(40), sets).num_common(one, other, least=Fraction(0))
    by_hand = [len(texts[a] & texts[b]) for a, b in zip(one.tolist(), other.tolist(), strict=True)]
    assert found.tolist() == by_hand


def test_many_shingles_are_read_through_a_file_and_are_the_same():
    lists = [[5, 7], [], [2**64 - 1], list(range(1000))]
    column = pa.chunked_array(
        [pa.array(part, pa.list_(pa.uint64())) for part in (lists, lists[1:])]
    )
    column = pa.chunked_array([column.chunk(0).slice(1), column.chunk(1)])
    expected = [value for part in column.to_pylist() for value in part]
    assert verified.all_shingles(column).tolist() == expected
    assert verified.all_shingles(column, memory_bytes=0).tolist() == expected


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), unique=True, max_size=20),
    st.integers(1, 4),
)
def test_rows_are_copied_into_each_partition_that_needs_them(needs, num):
    table = pa.table({"id": pa.array(range(5), pa.uint64())})
    rows, where = np.array(needs, np.int64).reshape(-1, 2).T
    file = io.BytesIO()
    partition.write_copies(file, table, rows, where % num, num=num)
    reader = pa.ipc.open_file(pa.BufferReader(file.getvalue()))
    assert reader.num_record_batches == num
    for p in range(num):
        mine = sorted(
            row for row, home in zip(rows.tolist(), where.tolist(), strict=True) if home % num == p
        )
        assert reader.get_batch(p).column("id").to_pylist() == mine
