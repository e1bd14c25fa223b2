"""Whole words are those that the rows say, and where they do not, those of the vocabulary."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from corpus import head, shard_check
from corpus.shards import ShardSet
from train import mask, plan, recipe, session
from train.stream import Batch, Stream

SCHEDULE = {"tokens": 32 * 24 * 8, "rows_per_step": 24, "micro_batch": 24}


def recipe_of(*, unit: str = "word", **more: object) -> dict:
    return {
        "seed": 4,
        "model": {"preset": "nano", "family": "bert"},
        "data": {"row_length": 32},
        "mask": {"unit": unit, "rate": [0.3]},
        "schedule": {**SCHEDULE, "peak_learning_rate": 1e-3},
        **more,
    }


def stream_of(folder: Path, **more: object) -> Stream:
    made = recipe.parse(recipe_of(**more), where="test")
    return session.bind(made, ShardSet.open(str(folder))).stream


def batches(stream: Stream) -> list[Batch]:
    steps = range(stream.num_steps)
    return [batch for step in steps for batch in stream.step(step, rank=0, world_size=1)]


def expected(batch: Batch, stream: Stream, *, documents: set[int]) -> np.ndarray:
    """Return which tokens begin a word: of these documents those of even ids, as stored."""
    found = mask.word_starts(batch.input_ids, stream.vocabulary)
    is_stored = np.isin(batch.documents(), np.array(sorted(documents), dtype=np.uint64))
    even = (batch.input_ids > 4) & (batch.input_ids % 2 == 0)
    return np.where(is_stored, even, found)


def words_of(row: np.ndarray, starts: np.ndarray, known: mask.Vocabulary) -> list[range]:
    words: list[range] = []
    is_text = known.ordinary()[row]
    for at in np.flatnonzero(is_text).tolist():
        if starts[at] or at == 0 or not is_text[at - 1]:
            words.append(range(at, at + 1))
        else:
            words[-1] = range(words[-1].start, at + 1)
    return words


def test_a_source_whose_every_token_is_a_word_is_named(worded_shards):
    shards = ShardSet.open(str(worded_shards))
    has_words = {shard.source: shard.has_word_starts for shard in shards.shards}
    assert sorted(has_words.values()) == [False, True]
    plain = min(has_words, key=lambda name: has_words[name])

    def note(num_letters: int, *, unit: str = "word") -> str:
        checks = [
            {"source": name, "language": "th", "num_words": 100, "num_letters": num_letters}
            for name in has_words
        ]
        facts = {**shards.manifest.facts, "tokenizer_checks": checks}
        told = ShardSet(shards.url, dataclasses.replace(shards.manifest, facts=facts))
        made = recipe.parse(recipe_of(unit=unit), where="test")
        found = session.bind(made, told)
        shown = plan.table(plan.plan(found, world_size=1), found, world_size=1)
        assert session.words_note(found) in shown
        return session.words_note(found)

    assert f"in {plain} (th) each token is a word" in note(90)
    assert (note(10), note(90, unit="token")) == ("", "")


def stored_documents(shards: ShardSet, source: str) -> set[int]:
    mine = [shard for shard in shards.shards if shard.source == source]
    return {n for shard in mine for n in shards.documents(shard)["id"].to_pylist()}


@pytest.mark.parametrize("task", ["", "order", "next", "none"])
def test_words_move_with_their_tokens_and_are_hidden_whole(task, worded_shards, pair_shards):
    folder = pair_shards if task else worded_shards
    stream = stream_of(folder, **({"pair": {"task": task}} if task else {}))
    documents = stored_documents(ShardSet.open(str(folder)), "a" if task else "wiki")
    num_stored = num_by_vocabulary = 0
    for batch in batches(stream):
        assert batch.word_starts is not None
        wanted = expected(batch, stream, documents=documents)
        is_text = stream.vocabulary.ordinary()[batch.input_ids]
        # Between the two segments of a row lies a [SEP] of one of them.
        assert np.array_equal(batch.word_starts[is_text], wanted[is_text])
        is_stored = np.isin(batch.documents(), np.array(sorted(documents), dtype=np.uint64))
        num_stored += int((is_stored & is_text).sum())
        num_by_vocabulary += int((~is_stored & is_text).sum())
        for row, starts, hidden in zip(
            batch.input_ids, batch.word_starts, batch.targets, strict=True
        ):
            words = words_of(row, starts, stream.vocabulary)
            num = sum(map(len, words))
            limit = min(num, max(1, int(np.floor(0.3 * num + 0.5))))
            whole = [word for word in words if hidden[word.start : word.stop].all()]
            part = [word for word in words if hidden[word.start : word.stop].any()]
            assert hidden.sum() <= limit
            if whole:
                assert whole == part
                # Nothing more would have fitted.
                left = limit - int(hidden.sum())
                assert all(len(word) > left for word in words if word not in whole)
            else:
                assert hidden.sum() == limit
    assert num_stored > 500
    assert num_by_vocabulary > 500


@pytest.mark.parametrize("unit", ["token", "span"])
def test_other_units_do_not_ask_for_words(unit, worded_shards, many_shards):
    for one, other in zip(
        *(batches(stream_of(folder, unit=unit)) for folder in (worded_shards, many_shards)),
        strict=True,
    ):
        assert one.word_starts is None
        assert one.checksum() == other.checksum()


def test_head_shows_words_and_the_rows_are_sound(worded_shards):
    shards = ShardSet.open(str(worded_shards))
    assert {shard.has_word_starts for shard in shards.shards if shard.source == "wiki"} == {True}
    assert not any(shard.has_word_starts for shard in shards.shards if shard.source == "books")
    shown = list(head.head(str(worded_shards), num_rows=10**6, words=True))
    plain = list(head.head(str(worded_shards), num_rows=10**6))
    assert len(shown) == len(plain)
    assert any("|" in line for line in shown)
    assert not any("|" in line for line in plain)
    for shard in shards.shards:
        rows, documents = shards.table(shard), shards.documents(shard)
        counts = shards.shard_unigram(shard)
        found = list(shard_check.faults(shards, shard, rows, documents, counts))
        assert not [line for line in found if "word" in line or "columns" in line]
