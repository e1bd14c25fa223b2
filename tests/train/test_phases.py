"""Phases change rows, mixture, batch and mask rate in mid-run; the state stays one integer."""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.shards import ShardSet
from train import checkpoint, fit, recipe, saved, session
from train.mixture import mixture
from train.prefetch import prefetch
from train.schedule import ScheduleConfig

BASE = {
    "seed": 3,
    "data": {"row_length": 32, "shards": {"wiki": 0.7, "books": 0.3}},
    "model": {"preset": "nano"},
    "mask": {"rate": [0.4, 0.2]},
    "schedule": {
        "tokens": 10_000,
        "rows_per_step": 12,
        "micro_batch": 6,
        "peak_learning_rate": 1e-3,
    },
}
PHASES = [
    {"from_tokens": 3000, "shards": {"wiki": 0.4, "books": 0.6}},
    {"from_tokens": 5000, "row_length": 64, "rows_per_step": 4, "micro_batch": 1, "rate": [0.1]},
]


def parsed(phases: list[dict], **schedule) -> recipe.Recipe:
    table = {**BASE, "schedule": {**BASE["schedule"], **schedule}, "phase": phases}
    return recipe.parse(table, where="test")


@pytest.fixture(scope="module")
def bound(many_shards: Path) -> session.Session:
    return session.bind(parsed(PHASES), ShardSet.open(str(many_shards)))


@given(
    begins=st.lists(st.integers(1, 9), max_size=4, unique=True).map(sorted),
    lengths=st.lists(st.sampled_from([8, 16, 64]), min_size=4, max_size=4),
    rows=st.lists(st.integers(1, 9), min_size=4, max_size=4),
)
def test_steps_rows_and_tokens_go_on_without_gap_through_all_phases(begins, lengths, rows) -> None:
    begins = [1000 * begin for begin in begins]
    phases = [
        {"from_tokens": begin, "row_length": length, "rows_per_step": num, "micro_batch": 1}
        for begin, length, num in zip(begins, lengths, rows, strict=False)
    ]
    made = recipe.timeline(parsed(phases))
    for before, after in pairwise(made.phases):
        assert after.first_step == before.first_step + before.num_steps
        assert after.first_row == before.first_row + before.num_rows
        assert after.first_token == before.first_token + before.num_rows * before.row_length
    for step in range(made.num_steps):
        phase = made.of_step(step)
        assert made.first_row(step + 1) - made.first_row(step) == phase.rows_per_step
        assert made.tokens(step + 1) - made.tokens(step) == phase.tokens_per_step
        assert made.phases[made.of_row(made.first_row(step))] is phase
    for phase, begin in zip(made.phases, [0, *begins], strict=True):
        # A phase begins with the first whole step behind its tokens.
        assert begin <= phase.first_token
    for phase, begin in zip(made.phases[1:], begins, strict=True):
        before = made.of_step(phase.first_step - 1)
        assert phase.first_token - before.tokens_per_step < begin


def test_without_phases_tokens_are_rounded_up_to_whole_steps() -> None:
    made = recipe.timeline(parsed([], tokens=1000))
    assert (made.num_steps, made.tokens(made.num_steps)) == (3, 3 * 12 * 32)


def test_the_mask_rate_is_linear_in_tokens_up_to_the_phase_that_sets_another(bound) -> None:
    made = bound.stream.timeline
    last = made.phases[2].first_step
    assert made.mask_rate(0) == 0.4
    assert made.mask_rate(last - 1) == pytest.approx(0.2)
    middle = made.phases[1].first_step
    share = made.tokens(middle) / made.tokens(last - 1)
    assert made.mask_rate(middle) == pytest.approx(0.4 - 0.2 * share)
    assert {made.mask_rate(step) for step in range(last, made.num_steps)} == {0.1}


def test_the_learning_rate_is_one_schedule_in_tokens(bound) -> None:
    config: ScheduleConfig = bound.recipe.schedule
    whole = bound.tokens(bound.num_steps)
    for step in range(bound.num_steps):
        after, before = bound.tokens(step + 1), bound.tokens(step)
        factor = min(1, after / (config.warmup * whole), (whole - before) / (config.decay * whole))
        assert bound.learning_rate(step) == pytest.approx(config.peak_learning_rate * factor)
    plain = recipe.timeline(parsed([]))
    size = plain.phases[0].tokens_per_step
    # Without phases it is bit for bit the schedule in steps.
    for step in range(plain.num_steps):
        assert plain.tokens(step) / size == step


def test_a_new_mixture_goes_on_with_the_epochs_and_a_new_length_begins_its_own(bound) -> None:
    stream = bound.stream
    first, second, third = stream.readings
    done = dict(zip(first.mixture.sources, first.mixture.counts(second.first_row), strict=True))
    assert second.before == done
    assert third.before == {"wiki": 0, "books": 0}
    size = stream.rows["books"].num_rows
    seen: Counter[bytes] = Counter()
    for step in range(stream.timeline.phases[2].first_step):
        start, stop = (stream.timeline.first_row(step + n) for n in (0, 1))
        text, reading = stream.text(start, stop), stream.readings[stream.timeline.of_row(start)]
        owner, _ = reading.mixture.place(text.indices - np.uint64(reading.first_row))
        seen.update(row.tobytes() for row in text.input_ids[owner == 0])
    num = sum(seen.values())
    copies = Counter(row.tobytes() for row in every(stream.rows["books"]))
    # Whole epochs and a part of one: no row comes twice more often than another.
    for row, count in copies.items():
        assert count * (num // size) <= seen[row] <= count * -(-num // size)


def every(rows) -> np.ndarray:
    return rows.take(np.arange(rows.num_rows)).input_ids.astype(np.int64)


@settings(max_examples=10)
@given(weights=st.lists(st.floats(0.01, 1), min_size=1, max_size=4), num=st.integers(0, 200_000))
def test_counts_are_what_placing_every_row_counts(weights, num) -> None:
    made = mixture({f"s{n}": weight for n, weight in enumerate(weights)})
    owner, _ = made.place(np.arange(num, dtype=np.uint64))
    assert made.counts(num).tolist() == np.bincount(owner, minlength=len(weights)).tolist()


def test_any_step_of_any_phase_is_computed_alone(bound) -> None:
    whole = list(prefetch(bound.stream, first_step=0, rank=0, world_size=1))
    assert [step for step, _ in whole] == list(range(bound.num_steps))
    assert {batch.input_ids.shape for _, made in whole for batch in made} == {(6, 32), (1, 64)}
    for first in (1, 8, bound.stream.timeline.phases[2].first_step, bound.num_steps - 1):
        step, made = next(prefetch(bound.stream, first_step=first, rank=0, world_size=1))
        assert step == first
        wanted = [batch.checksum() for batch in whole[first][1]]
        assert [batch.checksum() for batch in made] == wanted


def test_a_run_over_phases_resumes_bit_for_bit(many_shards, tmp_path) -> None:
    short = [{**PHASES[0], "from_tokens": 700}, {**PHASES[1], "from_tokens": 1200}]
    table = {**BASE, "schedule": {**BASE["schedule"], "tokens": 2200}, "phase": short}
    table |= {"checkpoint": {"every_tokens": 500, "keep": 9}, "log": {"every_steps": 1}}
    made = session.bind(recipe.parse(table, where="test"), ShardSet.open(str(many_shards)))
    assert fit.fit(made, tmp_path).step == made.num_steps
    wanted = checkpoint.read_weights(saved.finished(tmp_path)[-1])
    log = losses(tmp_path)
    # Back into the first phase, whose batches have other shapes than those of the end.
    for path in saved.finished(tmp_path)[1:]:
        (path / saved.COMPLETE).unlink()
    assert fit.fit(made, tmp_path).step == made.num_steps
    again = checkpoint.read_weights(saved.finished(tmp_path)[-1])
    assert all(torch.equal(wanted[name], again[name]) for name in wanted)
    assert losses(tmp_path) == log
    # Other micro batches are the same run but for rounding, whatever a phase accumulates.
    table["schedule"] = {**table["schedule"], "micro_batch": 2}
    table["phase"] = [short[0], {**short[1], "micro_batch": 4}]
    other = session.bind(recipe.parse(table, where="test"), ShardSet.open(str(many_shards)))
    fit.fit(other, tmp_path / "other")
    assert losses(tmp_path / "other") == pytest.approx(log, rel=1e-4)


def losses(run: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (run / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("phases", "message"),
    [
        ([{"from_tokens": 20_000}], "must rise and stay below"),
        ([{"from_tokens": 5000}, {"from_tokens": 4000}], "must rise"),
        ([{"from_tokens": 5000}, {"from_tokens": 5000}], "must rise"),
        ([{"from_tokens": 10_000}], "must rise and stay below"),
        ([{"from_tokens": 5000}, {"from_tokens": 5001}], "shorter than one step"),
        ([{"from_tokens": 5000, "rate": [1.0]}], "rate must lie"),
        ([{"from_tokens": 5000, "row_lenght": 64}], "did you mean 'row_length'"),
        ([{"from_tokens": 5000, "micro_batch": 0}], "micro_batch must be at least 1"),
    ],
)
def test_phases_that_make_no_sense_are_refused(phases, message) -> None:
    with pytest.raises(ValueError, match=message):
        parsed(phases)


def test_a_length_that_the_shards_lack_is_named(many_shards) -> None:
    made = parsed([{"from_tokens": 5000, "row_length": 128}])
    with pytest.raises(ValueError, match=r"no train rows of 128 .* row lengths: 32, 64"):
        session.bind(made, ShardSet.open(str(many_shards)))
