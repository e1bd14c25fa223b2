"""The order of rows is a keyed bijection that never changes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from corpus import keyed
from train import order


@given(size=st.integers(1, 3000), key=st.integers(0, 2**64 - 1))
def test_every_epoch_is_every_row_once(size: int, key: int) -> None:
    rows = order.permute(np.arange(size, dtype=np.uint64), size=size, key=np.uint64(key))
    assert np.array_equal(np.sort(rows), np.arange(size, dtype=np.uint64))


@given(size=st.integers(1, 500), epochs=st.integers(1, 4), seed=st.integers(0, 2**31))
def test_ordinals_run_through_whole_epochs(size: int, epochs: int, seed: int) -> None:
    ordinals = np.arange(size * epochs, dtype=np.uint64)
    rows = order.rows_of(ordinals, size=size, seed=seed, source="wiki")
    for epoch in rows.reshape(epochs, size):
        assert np.array_equal(np.sort(epoch), np.arange(size, dtype=np.uint64))


@given(start=st.integers(0, 10_000), num=st.integers(1, 100), size=st.integers(1, 300))
def test_any_place_is_computed_alone(start: int, num: int, size: int) -> None:
    many = order.rows_of(
        np.arange(start, start + num, dtype=np.uint64), size=size, seed=1, source="s"
    )
    alone = [
        int(order.rows_of(np.array([start + n], dtype=np.uint64), size=size, seed=1, source="s")[0])
        for n in range(num)
    ]
    assert many.tolist() == alone


@given(
    places=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), min_size=1, max_size=12),
    seed=st.integers(0, 2**31),
)
def test_ordinals_of_several_epochs_may_come_in_any_order(places, seed) -> None:
    places += places[:1]  # the last of the epoch of the first, whatever lies between
    ordinals = np.array([10 * epoch + at for epoch, at in places], dtype=np.uint64)
    found = order.rows_of(ordinals, size=10, seed=seed, source="s")
    whole = order.rows_of(np.arange(40, dtype=np.uint64), size=10, seed=seed, source="s")
    assert np.array_equal(found, whole[ordinals])


def test_order_is_the_one_that_checkpoints_were_written_with() -> None:
    rows = order.rows_of(np.arange(12, dtype=np.uint64), size=10, seed=7, source="wikipedia")
    assert rows.tolist() == GOLDEN


GOLDEN = [8, 1, 2, 5, 4, 6, 3, 9, 7, 0, 3, 8]


def test_epochs_sources_and_seeds_differ() -> None:
    ordinals = np.arange(200, dtype=np.uint64)
    base = order.rows_of(ordinals, size=100, seed=1, source="a")
    assert base[:100].tolist() != base[100:].tolist()
    for seed, source in ((2, "a"), (1, "b")):
        other = order.rows_of(ordinals, size=100, seed=seed, source=source)
        assert (other == base).mean() < 0.1


def test_neighbours_are_not_correlated() -> None:
    rows = order.permute(np.arange(20_000, dtype=np.uint64), size=20_000, key=keyed.mix(3))
    rows = rows.astype(np.float64)
    assert abs(np.corrcoef(rows[:-1], rows[1:])[0, 1]) < 0.03
