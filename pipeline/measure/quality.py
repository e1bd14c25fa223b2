"""The score that a model of the recipe's gives each text: `[measures] quality_model`.

A fastText classifier or a KenLM language model, told apart by the first bytes of the file:

    fastText   the probability of the label `quality_label`, from 0 to 1. The model sees the text as
               DCLM's do (Li et al. 2024; quality_prediction_enrichers_calc_fasttext.py there):
               stripped, its lines joined by spaces.
    KenLM      the mean log10 probability of a word, at most 0, as cc_net has it (Wenzek et al.
               2020): over all lines that are not blank, the end of each counted as a word;
               perplexity is 10 to the power of its negative. Words are what stands between white
               space, as it stands there: a model over SentencePiece pieces or over lower-case text
               without digits, as cc_net published them, knows few of them.

Scores are millionths, rounded down. Ten-thousandths would be too few: thresholds are quantiles of
the scores, and those of a classifier that likes one text in ten lie close to 0. Both models reckon
in float32, so the last digit may differ between CPU architectures. Of a text longer than MAX_CHARS
its beginning is looked at. Texts are scored as they stand in `documents`, before lines are cut.
"""

import functools
import importlib
import math
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fasttext
import numpy as np
import pyarrow as pa

from corpus import identity, storage
from pipeline.fate.rule_table import NEED_MODEL
from pipeline.measure.metric_table import NO_SCORE, SCORE_ONE, SCORES
from pipeline.recipe import Measures, Recipe
from pipeline.text import fasttext_file
from pipeline.text.language_models import digest

QUALITY_VERSION = 1
"""Raise it with every change of output."""
MAX_CHARS = 1 << 20
FIELDS = tuple(pa.field(name, pa.int64(), nullable=False) for name in SCORES)
"""The column of a measures part; NO_SCORE where there is no model, or nothing to score."""

_LABEL = "__label__"
_KENLM_BEGINS = b"mmap lm http://kheafield.com/code"
_ARPA_BEGINS = b"\\data\\"
# KenLM reads its text format compressed too, where it was built with these.
_PACKED_BEGIN = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00")
_NUM_LABELS_SHOWN = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """A model of quality."""

    name: str
    libraries: dict[str, str]
    label: str
    """Of a classifier, as the model spells it; else empty."""
    highest: int
    """No score is above it; fastText's lowest is 0, KenLM has none."""
    answer: Callable[[str], float | None]
    """Text -> score; None: there is nothing to score."""


def check(recipe: Recipe) -> None:
    """Check that the model can be used, and that thresholds can be met, before anything is done.

    Raises:
        ValueError: the model cannot be loaded or has not the label, or a threshold is one that no
            score, or every score, is below.
    """
    config = recipe.measures
    if not config.quality_model:
        return
    model = load(config.quality_model, config.quality_label)
    for source in recipe.source:
        thresholds = source.thresholds()
        for name in [name for name in NEED_MODEL if name in thresholds]:
            threshold = thresholds[name]
            if threshold > model.highest or (model.label and threshold < 0):
                kind = "probabilities, from 0 to 1" if model.label else "log10 probabilities, as -3"
                raise ValueError(
                    f"source {source.name!r}: {name} = {float(threshold):g}, but scores of "
                    f"{model.name} are {kind}"
                )


def section(config: Measures) -> dict[str, Any]:
    """Return what the scores depend on, for an identity or a manifest; empty without a model."""
    if not config.quality_model:
        return {}
    model = load(config.quality_model, config.quality_label)
    return {
        "model": model.name,
        "digest": digest(config.quality_model),
        "label": model.label,
        "libraries": model.libraries,
        "version": QUALITY_VERSION,
        "max_chars": MAX_CHARS,
    }


def check_measured(recipe: Recipe, facts: Mapping[str, Any]) -> None:
    """Check that a measures set has the scores that a recipe's rules are about.

    Args:
        recipe: the corpus recipe, which names a model wherever there is such a rule.
        facts: of the set's manifest.

    Raises:
        ValueError: the set was made without a model.
    """
    for source in recipe.source:
        asked = [name for name in NEED_MODEL if name in source.thresholds()]
        if asked and not facts.get("quality"):
            raise ValueError(
                f"{asked[0]}: the measures were made without a quality_model, so there are no "
                "scores; run `make measures`"
            )


def columns(texts: Sequence[str], config: Measures) -> list[pa.Array]:
    """Return the columns FIELDS of some texts."""
    found = np.full(len(texts), NO_SCORE, dtype=np.int64)
    if config.quality_model:
        model = load(config.quality_model, config.quality_label)
        for n, text in enumerate(texts):
            found[n] = score(text, model)
    return [pa.array(found)]


def score(text: str, model: Model) -> int:
    """Return the score of a text in millionths, or NO_SCORE."""
    answer = model.answer(text[:MAX_CHARS])
    if answer is None or not math.isfinite(answer):
        return NO_SCORE
    # fastText adds 1e-5 to each probability, so that one may be above 1.
    return math.floor(min(answer, model.highest) * SCORE_ONE)


@functools.cache
def load(path: str, label: str) -> Model:
    """Load a model, once per process.

    Args:
        path: a fastText classifier (.bin, .ftz) or a KenLM model (.binary, .klm, .arpa), as a path
            or URL.
        label: of a classifier, the class whose probability is the score; else empty.

    Raises:
        ValueError: the file is missing or is neither, or the label is.
    """
    where = f"measures.quality_model {path}"
    cure = "name a fastText classifier or a KenLM model, or leave quality_model out"
    try:
        with _local(path) as file:
            with file.open("rb") as opened:
                begins = opened.read(4096)
            if begins.startswith(fasttext_file.MAGIC):
                return _fasttext(file, label, where=where)
            if begins.startswith((_KENLM_BEGINS, *_PACKED_BEGIN)) or _ARPA_BEGINS in begins:
                return _kenlm(file, label, where=where)
    except OSError as error:
        raise ValueError(f"{where}: cannot read it: {error}; {cure}") from error
    raise ValueError(f"{where}: it is neither; {cure}")


@contextmanager
def _local(path: str) -> Iterator[Path]:
    """Give a file of this machine with a model's content, for as long as it is being loaded."""
    local = storage.local_path(path)
    if local is not None:
        yield local
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "model"
        with storage.open_read(path) as source, copy.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        yield copy


def _fasttext(file: Path, label: str, *, where: str) -> Model:
    try:
        fasttext_file.check_whole(file)
        model = fasttext.load_model(str(file))
        labels = model.predict("a", k=-1, threshold=-1.0)[0]
    except ValueError as error:
        raise ValueError(f"{where}: {error}; name a fastText classifier") from error
    (own,) = [name for name in (label, _LABEL + label) if name in labels] or [""]
    if not own:
        shown = ", ".join(sorted(labels)[:_NUM_LABELS_SHOWN])
        more = ", ..." if len(labels) > _NUM_LABELS_SHOWN else ""
        what = f"no label {label!r}" if label else "which label is good is not said"
        raise ValueError(f"{where}: {what}; set measures.quality_label to one of {shown}{more}")

    def answer(text: str) -> float | None:
        # All labels, since the one in question need not be the first.
        found, scores = model.predict(" ".join(text.strip().splitlines()), k=-1, threshold=-1.0)
        return scores[found.index(own)] if found else None

    return Model(
        name="fastText",
        libraries=identity.libraries("fasttext-predict"),
        label=own,
        highest=1,
        answer=answer,
    )


def _kenlm(file: Path, label: str, *, where: str) -> Model:
    if label:
        raise ValueError(f"{where}: a KenLM model has no labels; leave measures.quality_label out")
    try:
        kenlm: Any = importlib.import_module("kenlm")
    except ImportError as error:
        raise ValueError(
            f"{where}: reading KenLM models needs a package that is not there ({error}); "
            "`pip install kenlm` (it is compiled: that needs CMake and a C++ compiler)"
        ) from error
    config = kenlm.Config()
    config.show_progress = False
    config.arpa_complain = kenlm.ARPALoadComplain.NONE
    model = kenlm.Model(str(file), config)

    def answer(text: str) -> float | None:
        total, num_words = 0.0, 0
        for line in text.splitlines():
            if words := len(line.encode().split()):
                total += model.score(line, bos=True, eos=True)
                num_words += words + 1
        return total / num_words if num_words else None

    return Model(
        name="KenLM", libraries=identity.libraries("kenlm"), label="", highest=0, answer=answer
    )
