"""What counting words achieves on the same targets: unigram and bigram cross-entropy.

A masked language model that is not below the unigram figure has learned nothing from context; one
below the bigram figure uses more than the word before.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from corpus import keyed
from train.stream import Stream

MOST_TOKENS = 100_000_000
"""Bigrams are counted in at most so many tokens of training text, in the order of the run."""

_CHUNK_ROWS = 2_048
_TUNING_SHARE = 0.1
_HEAD = 8
"""Tokens by which a row is told from others."""
_MOST_TUNING = 1_000_000
"""Pairs on which the weight is chosen, and those of a chunk more."""
# Never one, which would give a pair that was never seen no probability at all.
_WEIGHTS = np.arange(100) / 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """Nats at each target, in the order of the targets."""

    unigram: NDArray[np.float64]
    bigram: NDArray[np.float64]
    weight: float
    """Of the bigram in the interpolation; chosen on training documents set aside for it, or on rows
    where there are too few documents."""
    num_tokens: int
    """Tokens of training text in which bigrams were counted."""

    def of(self, where: NDArray[np.integer]) -> "Figures":
        """Return the figures of some of the targets."""
        return replace(self, unigram=self.unigram[where], bigram=self.bigram[where])


def unigram_nats(
    answers: NDArray[np.integer], *, counts: NDArray[np.float64], ordinary: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the nats of each answer under add-one frequencies of the ordinary ids."""
    smoothed = np.where(ordinary, counts + 1.0, 0.0)
    return -np.log(smoothed[answers] / smoothed.sum())


def figures(
    stream: Stream,
    *,
    counts: NDArray[np.float64],
    before: NDArray[np.integer],
    answers: NDArray[np.integer],
) -> Figures:
    """Score targets by counts of the training text.

    The bigram model is lambda * c(before, answer) / c(before) + (1 - lambda) * unigram. It is shown
    the true token before the target even where that one is hidden from the model.

    Args:
        stream: the training rows.
        counts: float64 [V], how often each id stands in the training text.
        before: int [M], the id to the left of each target ([CLS] at the start of a piece).
        answers: int [M], the id that stands at each target.
    """
    ordinary = stream.vocabulary.ordinary()
    size = stream.vocabulary.size
    length = next(iter(stream.rows.values())).row_length
    num_rows = min(sum(rows.num_rows for rows in stream.rows.values()), MOST_TOKENS // length)
    by_row = False
    tuning, num_tokens = _tuning_pairs(stream, num_rows=num_rows, ordinary=ordinary, by_row=by_row)
    if tuning.size < min(_MOST_TUNING, _TUNING_SHARE * num_tokens) / 10:
        # A few books, of which the draw took none, or only a small one beside them.
        by_row = True
        tuning, _ = _tuning_pairs(stream, num_rows=num_rows, ordinary=ordinary, by_row=by_row)
    asked = before.astype(np.int64) * size + answers
    # Only pairs that are asked for are counted, so memory does not grow with the vocabulary.
    pairs = np.unique(np.concatenate([asked, tuning]))
    kept, aside = _count(stream, pairs, num_rows=num_rows, ordinary=ordinary, by_row=by_row)
    unigram = unigram_nats(answers, counts=counts, ordinary=ordinary)
    base = np.exp(-unigram_nats(tuning % size, counts=counts, ordinary=ordinary))
    trials = [-np.log(_mixed(tuning, pairs, kept, base, size=size, weight=w)) for w in _WEIGHTS]
    weight = 0.0
    if tuning.size:
        weight = float(_WEIGHTS[int(np.argmin([trial.mean() for trial in trials]))])
    whole = _Counts(pairs=kept.pairs + aside.pairs, contexts=kept.contexts + aside.contexts)
    bigram = -np.log(_mixed(asked, pairs, whole, np.exp(-unigram), size=size, weight=weight))
    return Figures(unigram=unigram, bigram=bigram, weight=weight, num_tokens=num_tokens)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Counts:
    pairs: NDArray[np.int64]
    contexts: NDArray[np.int64]


def _mixed(
    asked: NDArray[np.int64],
    pairs: NDArray[np.int64],
    counts: _Counts,
    base: NDArray[np.float64],
    *,
    size: int,
    weight: float,
) -> NDArray[np.float64]:
    """Return the interpolated probability of each asked pair."""
    together = counts.pairs[np.searchsorted(pairs, asked)]
    context = counts.contexts[asked // size]
    # A word never seen as a context leaves all to the unigram.
    share = np.where(context > 0, weight, 0.0)
    return share * together / np.maximum(context, 1) + (1 - share) * base


def _chunks(stream: Stream, *, num_rows: int, ordinary: NDArray[np.bool_], by_row: bool):
    """Yield the pair codes of the training text, and which lie in documents or rows set aside."""
    size = stream.vocabulary.size
    for start in range(0, num_rows, _CHUNK_ROWS):
        text = stream.text(start, min(start + _CHUNK_ROWS, num_rows), phase=0)
        before, after = text.input_ids[:, :-1], text.input_ids[:, 1:]
        valid = ordinary[after]
        documents = text.documents()[:, 1:]
        units = documents
        if by_row:
            # By what it says, so that a row which comes again stays on its side.
            heads = keyed.mix(0, *text.input_ids[:, :_HEAD].T)
            units = heads[:, None].repeat(documents.shape[1], axis=1)
        aside = keyed.below(keyed.mix(0, units[valid]), _TUNING_SHARE)
        yield (before * size + after)[valid], aside


def _tuning_pairs(
    stream: Stream, *, num_rows: int, ordinary: NDArray[np.bool_], by_row: bool
) -> tuple[NDArray[np.int64], int]:
    """Return some pairs of the text set aside, and the number of tokens read."""
    found: list[NDArray[np.int64]] = []
    num_tokens = 0
    for pairs, aside in _chunks(stream, num_rows=num_rows, ordinary=ordinary, by_row=by_row):
        num_tokens += pairs.size
        if sum(part.size for part in found) < _MOST_TUNING:
            found.append(pairs[aside])
    return np.concatenate(found), num_tokens


def _count(
    stream: Stream,
    pairs: NDArray[np.int64],
    *,
    num_rows: int,
    ordinary: NDArray[np.bool_],
    by_row: bool,
) -> tuple[_Counts, _Counts]:
    """Count pairs and contexts, in the text kept and in that set aside."""
    size = stream.vocabulary.size
    totals = [
        _Counts(pairs=np.zeros(pairs.size, np.int64), contexts=np.zeros(size, np.int64))
        for _ in range(2)
    ]
    for codes, aside in _chunks(stream, num_rows=num_rows, ordinary=ordinary, by_row=by_row):
        for total, mine in zip(totals, (codes[~aside], codes[aside]), strict=True):
            place = np.minimum(np.searchsorted(pairs, mine), pairs.size - 1)
            hits = place[pairs[place] == mine]
            total.pairs[:] += np.bincount(hits, minlength=pairs.size)
            total.contexts[:] += np.bincount(mine // size, minlength=size)
    return totals[0], totals[1]
