"""The counted figures are those of a plain count."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from train import evaluate, held_out, ngrams, recipe, session, stream


@pytest.fixture(scope="module")
def bound(shards) -> session.Session:
    table = {
        "data": {"row_length": 32, "shards": {"wiki": 1.0}},
        "model": {"preset": "nano"},
        "schedule": {
            "tokens": 1000,
            "rows_per_step": 4,
            "micro_batch": 4,
            "peak_learning_rate": 1e-3,
        },
    }
    return session.bind(recipe.parse(table, where="test"), shards)


@pytest.fixture(scope="module")
def targets(bound) -> tuple[np.ndarray, np.ndarray]:
    before, answers = [], []
    for _, batch in held_out.batches(bound, row_length=32):
        rows, places = np.nonzero(batch.targets)
        before.append(batch.input_ids[rows, places - 1])
        answers.append(batch.input_ids[rows, places])
    return np.concatenate(before), np.concatenate(answers)


def test_figures_equal_a_plain_count(bound, targets) -> None:
    before, answers = targets
    rows = bound.shards.rows("wiki", "train", 32)
    ids = rows.take(np.arange(rows.num_rows)).input_ids.astype(int)
    words = Counter(int(i) for row in ids for i in row if i > 4)
    pairs, contexts = Counter(), Counter()
    for row in ids.tolist():
        for left, right in pairwise(row):
            if right > 4:
                pairs[left, right] += 1
                contexts[left] += 1
    found = ngrams.figures(bound.stream, counts=bound.unigram(), before=before, answers=answers)
    assert found.num_tokens == sum(contexts.values())
    total = sum(words.values()) + bound.shards.vocabulary - 5
    for n, (left, right) in enumerate(zip(before.tolist(), answers.tolist(), strict=True)):
        unigram = (words[right] + 1) / total
        assert found.unigram[n] == pytest.approx(-np.log(unigram))
        weight = found.weight if contexts[left] else 0.0
        share = pairs[left, right] / max(1, contexts[left])
        assert found.bigram[n] == pytest.approx(-np.log(weight * share + (1 - weight) * unigram))


def test_bigrams_help_on_text_that_has_them(bound, targets) -> None:
    before, answers = targets
    found = ngrams.figures(bound.stream, counts=bound.unigram(), before=before, answers=answers)
    assert 0.5 < found.weight < 1
    assert found.bigram.mean() < found.unigram.mean() - 1


class OneBook:
    """A stream whose rows are all of one document, which is not set aside."""

    def __init__(self, own: stream.Stream):
        self.rows, self.vocabulary, self._own = own.rows, own.vocabulary, own

    def text(self, start: int, stop: int, *, phase: int) -> stream.Text:
        text = self._own.text(start, stop, phase=phase)
        return replace(text, piece_documents=np.full_like(text.piece_documents, 3))


def test_of_one_book_some_rows_are_set_aside(bound, targets) -> None:
    before, answers = targets
    book: Any = OneBook(bound.stream)
    found = ngrams.figures(book, counts=bound.unigram(), before=before, answers=answers)
    assert found.weight > 0.5
    assert found.bigram.mean() < found.unigram.mean() - 1


def test_a_paired_difference_of_equal_documents_has_no_error() -> None:
    documents = np.repeat(np.arange(5, dtype=np.uint64), 4)
    found = evaluate.paired(np.ones(20), np.full(20, 3.0), documents)
    assert (found.difference, found.standard_error) == (-2.0, 0.0)


def test_the_standard_error_is_that_of_repeated_draws_of_documents() -> None:
    rng = np.random.default_rng(0)

    def draw() -> evaluate.Difference:
        sizes = rng.integers(5, 50, size=30)
        effects = rng.normal(-0.3, 0.2, size=30)
        documents = np.repeat(np.arange(30, dtype=np.uint64), sizes)
        nats = np.repeat(effects, sizes) + rng.normal(0, 0.5, size=documents.size)
        return evaluate.paired(nats, np.zeros_like(nats), documents)

    drawn = [draw() for _ in range(300)]
    spread = np.std([d.difference for d in drawn])
    assert np.mean([d.standard_error for d in drawn]) == pytest.approx(spread, rel=0.15)


def test_every_stored_target_is_asked_once_and_shown_as_the_mask(bound) -> None:
    rows = bound.shards.rows("wiki", "held_out", 32)
    stored = rows.take(np.arange(rows.num_rows)).targets
    assert stored is not None
    batches = [batch for _, batch in held_out.batches(bound, row_length=32)]
    assert np.array_equal(np.concatenate([b.targets for b in batches]), stored)
    for batch in batches:
        assert (batch.shown_ids[batch.targets] == 4).all()
        assert (batch.input_ids[batch.targets] > 4).all()
