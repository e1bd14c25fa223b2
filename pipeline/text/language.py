"""Which language a text is in: the model, what it looks at, and what may be concluded.

    score    what share the model gives its answer, in ten-thousandths, rounded down. CLD2: of the
             text's bytes, in whole percent. fastText: of the probability; float32 arithmetic, so it
             may differ in the last digit between CPU architectures.
    "und"    too little text: fewer than MIN_LETTERS letters, so that no model was asked, or CLD2
             has no answer for so short a text; such a document is not dropped for its language
    "mis"    enough text, and in none of the model's languages, as far as it can tell; score 0

Of a text longer than NUM_PIECES * PIECE_CHARS characters, that many pieces are looked at, at equal
distances from its first character to its last; but a glance at fewer and shorter ones is enough
where its score is GLANCE_SCORE. tests/bench/test_language.py measures all this.
"""

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.recipe import Recipe, Source
from pipeline.text.language_codes import are_related, normalized
from pipeline.text.language_models import SCORE_ONE, UNDETERMINED, UNKNOWN, Model, digest, load

LANGUAGE_VERSION = 2
"""Raise it with every change of output."""
NUM_PIECES = 16
PIECE_CHARS = 128
GLANCE_PIECES = 8
GLANCE_CHARS = 96
GLANCE_SCORE = 9_000
MIN_LETTERS = 20
PASSES, OTHER_LANGUAGE, LOW_SCORE = 0, 1, 2
"""Verdicts; the names of their rules are RULES[verdict]."""
RULES = ("", "language", "min_language_score")
FIELDS = (
    pa.field("language", pa.string(), nullable=False),  # detected: normalized, "und" or "mis"
    pa.field("language_score", pa.int64(), nullable=False),  # ten-thousandths
    pa.field("declared", pa.string(), nullable=False),  # normalized; empty: not checked
)
"""The columns of a measures part that say what `columns` found."""


def check(recipe: Recipe) -> None:
    """Check that every language that is to be checked can be, before anything is done.

    Raises:
        ValueError: the model cannot be loaded, or does not know a source's declared language.
    """
    path = recipe.measures.language_model
    model = load(path)
    for source in recipe.source:
        if source.language_id == "check" and normalized(source.language) not in model.codes:
            raise ValueError(
                f"source {source.name!r}: {model.name} does not know its language, "
                f"{source.language!r}, and cannot check it: every document would be dropped; set "
                'language_id = "trust" to take the declaration for true, or name a model that '
                "knows it ([measures] language_model)"
            )


def min_score(recipe: Recipe) -> Fraction:
    """Return the least share at which a language counts as found: the recipe's or the model's."""
    chosen = recipe.fates.min_language_score
    return (
        load(recipe.measures.language_model).min_score if chosen is None else Fraction(str(chosen))
    )


def declaration(source: Source) -> dict[str, Any]:
    """Return what a source declares of its documents' languages, for a part's identity.

    Only a `language` column that the recipe names speaks for a row. What a page or a book says of
    itself is a hint, and wrong too often; and a source declared English is to hold English.
    """
    return {
        "language": normalized(source.language),
        "per_row": source.kind == "dataset" and "language" in source.columns,
    }


def columns(
    batch: pa.RecordBatch, texts: Sequence[str], *, path: str, declared: dict[str, Any]
) -> list[pa.Array]:
    """Return the columns FIELDS of a batch.

    Args:
        batch: with the column language, the rows' own hints.
        texts: its text.
        path: of the model, see `load`.
        declared: as from `declaration`.
    """
    model = load(path)
    codes, scores = identify(texts, model)
    hints = batch.column("language").to_pylist() if declared["per_row"] else [""] * len(texts)
    return [
        pa.array(codes, pa.string()),
        pa.array(scores, pa.int64()),
        pa.array(effective(hints, declared["language"], model), pa.string()),
    ]


def section(path: str) -> dict[str, Any]:
    """Return what the detected languages depend on, for an identity or a manifest."""
    return {
        "model": load(path).name,
        "digest": digest(path),
        "libraries": load(path).libraries,
        "version": LANGUAGE_VERSION,
        "pieces": [NUM_PIECES, PIECE_CHARS],
        "glance": [GLANCE_PIECES, GLANCE_CHARS, GLANCE_SCORE],
        "min_letters": MIN_LETTERS,
    }


def identify(texts: Sequence[str], model: Model) -> tuple[list[str], NDArray[np.int64]]:
    """Return for each text its language (normalized, UNDETERMINED or UNKNOWN) and the score [N]."""
    codes: list[str] = []
    scores = np.zeros(len(texts), dtype=np.int64)
    for n, text in enumerate(texts):
        code, scores[n] = _identify(text, model)
        codes.append(code)
    return codes, scores


def _identify(text: str, model: Model) -> tuple[str, int]:
    if len(text) > NUM_PIECES * PIECE_CHARS:
        glance = pieces(text, num=GLANCE_PIECES, num_chars=GLANCE_CHARS)
        if _ENOUGH_LETTERS.match(glance):
            code, score = model.answer(glance)
            if score >= GLANCE_SCORE:
                return code, score
    looked_at = pieces(text)
    return model.answer(looked_at) if _ENOUGH_LETTERS.match(looked_at) else (UNDETERMINED, 0)


_ENOUGH_LETTERS = re.compile(rf"(?:[\W\d_]*+[^\W\d_]){{{MIN_LETTERS}}}")


def pieces(text: str, *, num: int = NUM_PIECES, num_chars: int = PIECE_CHARS) -> str:
    """Return what of a text is looked at: all, or pieces at equal distances, one a line."""
    if len(text) <= num * num_chars:
        return text
    last = len(text) - num_chars
    starts = (last * n // (num - 1) for n in range(num))
    return "\n".join(text[start : start + num_chars] for start in starts)


def effective(hints: Sequence[str], source_language: str, model: Model) -> list[str]:
    """Return what each document is declared to be in, normalized.

    Args:
        hints: what each document's own row says; where that is no language code, the source's
            declaration counts.
        source_language: what the source declares.
        model: "" stands for a row's language that it does not know, so that it is not checked.
    """
    own = normalized(source_language)
    found = [normalized(hint) for hint in hints]
    return [own if not code else code if code in model.codes else "" for code in found]


def verdicts(
    declared: pa.Array | pa.ChunkedArray | Sequence[str],
    detected: pa.Array | pa.ChunkedArray | Sequence[str],
    scores: NDArray[np.int64],
    threshold: Fraction,
) -> NDArray[np.int8]:
    """Compare declared with detected languages.

    Args:
        declared: normalized codes; "" is not checked.
        detected: as `identify` returns them; UNDETERMINED is not checked.
        scores: of detection, in ten-thousandths.
        threshold: least share, exact.

    Returns:
        int8 [N]: PASSES; OTHER_LANGUAGE, a language unrelated to the declared one was found;
        LOW_SCORE, the same or a related one with a lower score, or the model could not tell.
    """
    left, left_codes = _encoded(declared)
    right, right_codes = _encoded(detected)
    if not len(left):
        return np.zeros(0, dtype=np.int8)
    unchecked = np.array([[not a or b == UNDETERMINED for b in right_codes] for a in left_codes])
    other = np.array(
        [[b != UNKNOWN and not are_related(a, b) for b in right_codes] for a in left_codes]
    )
    is_low = scores * threshold.denominator < threshold.numerator * SCORE_ONE
    found = np.where(other[left, right], OTHER_LANGUAGE, np.where(is_low, LOW_SCORE, PASSES))
    return np.where(unchecked[left, right], PASSES, found).astype(np.int8)


def _encoded(
    column: pa.Array | pa.ChunkedArray | Sequence[str],
) -> tuple[NDArray[np.int64], list[str]]:
    if not isinstance(column, pa.Array | pa.ChunkedArray):
        column = pa.array(column, pa.string())
    if isinstance(column, pa.Array):
        column = pa.chunked_array([column])
    codes = pc.dictionary_encode(column).combine_chunks()  # pyright: ignore
    return codes.indices.to_numpy().astype(np.int64), codes.dictionary.to_pylist()
