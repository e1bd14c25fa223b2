"""Labels of clusters are canonical, and of each cluster one passing document survives."""

from fractions import Fraction
from itertools import combinations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from corpus import schemas
from pipeline.match import clusters as cluster_module
from pipeline.match.components import components


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


def test_documents_are_one_through_a_third_whether_that_passes_or_not():
    # Of a large bucket 2 and 3 may not have been compared, as both are so near to 1.
    pairs = [(1, 2, "near", 95, 100), (1, 3, "near", 89, 100), (1, 4, "near", 75, 100)]
    for passes in (True, False):
        found = clusters(
            [(1, passes, 1, 1), (2, True, 0, 2), (3, True, 0, 3), (4, True, 0, 4)], pairs
        )
        assert found[2]["survivor"] == found[3]["survivor"] == 2
        assert found[2]["size"] == 2 + passes
        assert found[3]["jaccard"] == 0.89
        assert found[4]["survivor"] == 4
        assert {row["root"] for row in found.values()} == {1}  # held out together


def test_the_nearest_is_one_that_passes_where_there_is_such_a_match():
    found = clusters(
        [(1, False, 0, 1), (2, True, 0, 2), (3, True, 0, 3)],
        [(1, 2, "near", 95, 100), (2, 3, "near", 85, 100)],
    )
    assert found[2]["jaccard"] == found[3]["jaccard"] == 0.85
    alone = clusters([(1, False, 0, 1), (2, True, 0, 2)], [(1, 2, "near", 95, 100)])
    assert np.isnan(alone[2]["jaccard"])
    assert alone[2]["size"] == 1


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
