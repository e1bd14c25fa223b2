"""Which tokens are hidden: exact counts per row, keyed by the row's place in the run.

A mask depends on (seed, global row index, position) alone. World size, micro batch and resumption
never change it, and a row that comes again in a later epoch gets another mask.

Shapes: B rows, L tokens of a row.
"""

import functools
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from train import kernels

Replace = Literal["mask", "80-10-10"]
Unit = Literal["token", "word", "span"]

_UNITS = {"token": kernels.TOKEN, "word": kernels.WORD, "span": kernels.SPAN}
_LONGEST_SPAN = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class MaskConfig:
    """The [mask] section of a model recipe."""

    rate: tuple[float, ...] = (0.30, 0.15)
    """Share of the eligible tokens of a row that are hidden: at the start and the end of the run,
    linear in tokens between. One number keeps it constant. A [[phase]] may set another."""
    replace: Replace = "mask"
    """What stands at a hidden place: always [MASK], or [MASK], a random token and the token itself
    in shares of 80, 10 and 10 % (Devlin et al. 2019)."""
    unit: Unit = "token"
    """What is hidden together: single tokens; whole words, as the vocabulary spells them or, in
    sources with a segmenter, as that has found them; or spans
    of tokens (Joshi et al. 2020, "SpanBERT", section 3.1). Tokens and spans hide exactly the rate,
    words as much of it as whole words fill."""
    span_continues: float = 0.8
    """Chance that a span goes on behind each of its tokens, up to ten: 0.8 is a mean of 3.8."""

    def __post_init__(self) -> None:
        check_rate(self.rate)
        if not 0 <= self.span_continues < 1:
            raise ValueError(f"span_continues must lie in [0, 1), got {self.span_continues}")


@functools.cache
def span_limits(continues: float) -> NDArray[np.uint64]:
    """Return uint64 [10]: a draw of 32 bits below the n-th makes a span of at most n + 1 tokens."""
    more = Fraction(continues)
    # A geometric law cut at the longest, its rest shared out in proportion.
    whole = 1 - more**_LONGEST_SPAN
    limits = [round((1 - more ** (n + 1)) / whole * 2**32) for n in range(_LONGEST_SPAN)]
    return np.array(limits, dtype=np.uint64)


def check_rate(rate: tuple[float, ...]) -> None:
    """Check one or two mask rates.

    Raises:
        ValueError: there are more, or one is out of range.
    """
    if not 1 <= len(rate) <= 2:
        raise ValueError(f"rate must be [start, end] or [constant], got {list(rate)}")
    for one in rate:
        if not 0 < one <= 0.9:
            raise ValueError(f"rate must lie in (0, 0.9], got {one}; 0.15 is usual")


def rate_at(rate: tuple[float, ...], progress: float) -> float:
    """Return the rate when this share of its stretch of the run, in [0, 1], is done."""
    return rate[0] + (rate[-1] - rate[0]) * progress


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """What masking must know about the tokenizer."""

    size: int
    """Number of token ids."""
    mask_id: int
    special_ids: tuple[int, ...]
    """Ids that are never hidden and never put in as random tokens."""
    words: NDArray[np.uint8] | None = None
    """uint8 [size]: `kernels.WORD_START`, `WORD_OPEN` and `WORD_INSIDE` of each id; None when words
    are not asked for."""
    table: NDArray[np.uint8] = field(init=False, repr=False)
    """uint8 [size]: what `kernels` looks up."""
    ordinary_ids: NDArray[np.int64] = field(init=False, repr=False)
    """int64: every id that is not special, rising."""

    def __post_init__(self) -> None:
        table = self.ordinary() * np.uint8(kernels.ORDINARY)
        if self.words is not None:
            table |= self.words
        object.__setattr__(self, "table", table)
        object.__setattr__(self, "ordinary_ids", np.flatnonzero(self.ordinary()))

    def ordinary(self) -> NDArray[np.bool_]:
        """Return bool [size]: true for every id that is not special."""
        table = np.ones(self.size, dtype=np.bool_)
        table[list(self.special_ids)] = False
        return table


def word_starts(input_ids: NDArray[np.integer], vocabulary: Vocabulary) -> NDArray[np.bool_]:
    """Return which tokens begin a word as the vocabulary has it, bool [B, L]; special ones do not.

    Args:
        input_ids: [B, L].
        vocabulary: with words.
    """
    assert vocabulary.words is not None
    starts = np.empty(input_ids.shape, dtype=np.bool_)
    kernels.find_starts(input_ids, vocabulary.table, starts)
    return starts


def choose_targets(
    input_ids: NDArray[np.integer],
    indices: NDArray[np.uint64],
    *,
    seed: int,
    rate: float,
    vocabulary: Vocabulary,
    config: MaskConfig,
    out: NDArray[np.bool_],
    starts: NDArray[np.bool_] | None = None,
) -> NDArray[np.bool_]:
    """Choose the tokens to hide: round(rate * eligible) of each row, half up, at least one.

    Tokens: those with the smallest hashes. Words: in the order of their hashes, each that still
    fits; if none fits, the first tokens of the first. Spans: they begin at tokens in hash order,
    end with their piece, and the last is cut where the number is reached.

    Args:
        input_ids: [B, L]; L at most 65,536.
        indices: uint64 [B], the global index of each row in the run.
        seed: the recipe's seed.
        rate: share to hide.
        vocabulary: which ids are never hidden, and which begin a word.
        config: the unit, and how long spans are.
        out: bool [B, L], written and returned.
        starts: bool [B, L]: which tokens begin a word; None: as the vocabulary has it.
    """
    assert input_ids.shape[1] <= 1 << 16
    assert config.unit != "word" or vocabulary.words is not None
    kernels.choose(
        input_ids,
        indices,
        vocabulary.table,
        _seed(seed),
        float(rate),
        _UNITS[config.unit],
        span_limits(config.span_continues),
        np.zeros((0, 0), dtype=np.bool_) if starts is None else starts,
        out,
    )
    return out


def hide(
    input_ids: NDArray[np.integer],
    targets: NDArray[np.bool_],
    indices: NDArray[np.uint64],
    *,
    seed: int,
    config: MaskConfig,
    vocabulary: Vocabulary,
    out: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return int64 [B, L]: the ids the model sees, with the targets replaced.

    Args:
        input_ids: [B, L].
        targets: bool [B, L], the hidden places.
        indices: uint64 [B], the global index of each row.
        seed: the recipe's seed.
        config: what stands in their place.
        vocabulary: the mask id, and the ids a random token may be.
        out: int64 [B, L], written and returned.
    """
    shares = (0.8, 0.9) if config.replace == "80-10-10" else (1.0, 1.0)
    limits = np.array([round(share * (1 << 32)) for share in shares], dtype=np.uint64)
    kernels.replace(
        input_ids,
        targets,
        indices,
        _seed(seed),
        vocabulary.mask_id,
        limits,
        vocabulary.ordinary_ids,
        out,
    )
    return out


def _seed(seed: int) -> np.uint64:
    return np.uint64(seed & 0xFFFFFFFFFFFFFFFF)
