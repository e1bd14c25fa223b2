"""Keyed choices are exact, and their values never change."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from corpus import keyed


def test_the_hash_has_the_published_values_of_splitmix64():
    # The first outputs of splitmix64 with seed 1234567, as in the reference C code's test vector.
    state = np.array([1234567], dtype=np.uint64)
    outputs = []
    for _ in range(5):
        outputs.append(int(keyed.splitmix64(state)[0]))
        state = state + np.uint64(0x9E3779B97F4A7C15)
    assert outputs == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


def test_the_mixer_is_part_of_the_format():
    assert int(keyed.mix(0)) == 16294208416658607535
    assert [int(v) for v in keyed.mix(7, np.arange(3), 5)] == [
        1293217547870288028,
        17284964541414992229,
        8699863324141622855,
    ]


@given(
    st.integers(0, 2**64 - 1),
    st.lists(st.lists(st.booleans(), min_size=6, max_size=6), min_size=1, max_size=5),
    st.data(),
)
def test_choose_takes_exactly_as_many_as_asked_and_only_eligible_ones(seed, rows, data):
    eligible = np.array(rows)
    num = np.array([data.draw(st.integers(0, int(row.sum()))) for row in eligible])
    keys = keyed.mix(seed, np.arange(len(rows))[:, None], np.arange(6)[None, :])
    chosen = keyed.choose(keys, eligible, num)
    assert (chosen.sum(axis=1) == num).all()
    assert not (chosen & ~eligible).any()


@given(st.integers(0, 1000))
def test_a_row_is_chosen_alike_whatever_stands_beside_it(seed):
    keys = keyed.mix(seed, np.arange(4)[:, None], np.arange(32)[None, :])
    eligible = keys % np.uint64(3) > 0
    num = eligible.sum(axis=1) // 2
    together = keyed.choose(keys, eligible, num)
    for row in range(4):
        one = slice(row, row + 1)
        assert (keyed.choose(keys[one], eligible[one], num[one]) == together[one]).all()


def test_the_share_below_a_fraction_is_that_fraction():
    keys = keyed.mix(3, np.arange(200_000))
    share = keyed.below(keys, 0.12).mean()
    assert abs(share - 0.12) < 5 * (0.12 * 0.88 / 200_000) ** 0.5
    assert not keyed.below(keys, 0.0).any()
