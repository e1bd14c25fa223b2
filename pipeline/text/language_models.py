"""The models that tell a text's language: CLD2 and fastText files.

CLD2 (Chromium's, inside the wheel of `pycld2`) is the default: right more often over the languages
it knows than fastText's lid.176.ftz, 4 times faster, and integer arithmetic throughout, so that
its answers are the same bytes on every machine. A fastText model (lid.176, GlotLID, OpenLID) is
used where the recipe names its file. tests/bench/test_language.py has the figures of these and of
those that were not chosen.
"""

import functools
import hashlib
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import fasttext
import pycld2

from corpus import identity, storage
from pipeline.text import fasttext_file
from pipeline.text.language_codes import normalized

UNDETERMINED = "und"
"""There is too little text to tell its language; the score is 0."""
UNKNOWN = "mis"
"""Enough text, and in none of the model's languages (ISO 639-2: uncoded); the score is 0."""
SCORE_ONE = 10_000
"""The score of certainty."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """A language identifier."""

    name: str
    libraries: dict[str, str]
    codes: frozenset[str]
    """The languages it can answer, normalized."""
    min_score: Fraction
    """Below this share its answer is not taken for an answer; each model's own published value."""
    answer: Callable[[str], tuple[str, int]]
    """Text -> normalized code, UNDETERMINED or UNKNOWN, and score."""


@functools.cache
def load(path: str) -> Model:
    """Load a model, once per process.

    Args:
        path: a fastText model (.bin or .ftz) whose labels are language codes, as a path or URL;
            "" for CLD2.

    Raises:
        ValueError: the file is missing or is no fastText language model.
    """
    return _fasttext(path) if path else _cld2()


def digest(path: str) -> str:
    """Return what names a model's weights: the file's sha256, or the version they come with."""
    if not path:
        return f"CLD2 {pycld2.VERSION}"
    local = storage.local_path(path)
    if local is None:
        return identity.digest(storage.read_bytes(path))
    with local.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# What CLD2 calls invalid: control characters and noncharacters.
_INVALID = re.compile(
    "[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ufdd0-\ufdef"
    + "".join(
        f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 1 << 16)
    )
    + "]"
)
# CLD2's kShortTextThresh: no answer says little of so short a text. CLD2's flag to answer all the
# same (bestEffort) is not used: four times as many strings in languages that it does not know are
# then taken for one that it does.
_CLD2_SHORT_BYTES = 256
# CLD2's kGoodFirstReliableMinPercent: below it, CLD2 calls its own answer unreliable.
_CLD2_MIN_SCORE = Fraction(51, 100)


def _cld2() -> Model:
    def answer(text: str) -> tuple[str, int]:
        try:
            found = pycld2.detect(text.encode(), isPlainText=True)
        except pycld2.error:
            found = pycld2.detect(_INVALID.sub(" ", text).encode(), isPlainText=True)
        _, name, percent, _ = found[2][0]
        code = _cld2_code(name)
        if code == UNKNOWN:
            return (UNDETERMINED if len(text.encode()) < _CLD2_SHORT_BYTES else UNKNOWN), 0
        return code, percent * SCORE_ONE // 100

    known = dict(pycld2.LANGUAGES)
    codes = {_cld2_code(known[name]) for name in pycld2.DETECTED_LANGUAGES if name in known}
    return Model(
        name="CLD2",
        libraries=identity.libraries("pycld2"),
        codes=frozenset(codes - {UNKNOWN}),
        min_score=_CLD2_MIN_SCORE,
        answer=answer,
    )


@functools.cache
def _cld2_code(code: str) -> str:
    """CLD2's codes are ISO 639-1 mostly; its "un", bare scripts and jokes are unknown."""
    if code == "sit-NP":
        return "lif"
    if code == "un" or code.startswith(("xx-", "zz")):
        return UNKNOWN
    return normalized(code)


_LABEL = "__label__"
# datatrove's filter, DCLM and FineWeb all take lid.176's answer from here on.
_FASTTEXT_MIN_SCORE = Fraction(65, 100)


def _fasttext(path: str) -> Model:
    cure = "name a fastText language model such as lid.176.bin, or leave language_model out"
    try:
        content = storage.read_bytes(path)
    except OSError as error:
        raise ValueError(
            f"measures.language_model {path}: cannot read it: {error}; {cure}"
        ) from error
    local = storage.local_path(path)
    try:
        if local is not None:
            fasttext_file.check_whole(local)
            model = fasttext.load_model(str(local))
        else:
            with tempfile.TemporaryDirectory() as folder:
                copy = Path(folder) / "model"
                copy.write_bytes(content)
                fasttext_file.check_whole(copy)
                model = fasttext.load_model(str(copy))
    except ValueError as error:
        raise ValueError(f"measures.language_model {path}: {error}; {cure}") from error
    labels = [label.removeprefix(_LABEL) for label in model.predict("a", k=-1, threshold=-1.0)[0]]
    code_of = {label: normalized(label) for label in labels}
    if not all(code_of.values()):
        wrong = next(label for label, code in code_of.items() if not code)
        raise ValueError(
            f"measures.language_model {path}: its label {wrong!r} is no language code; {cure}"
        )
    if "als" in code_of and "en" in code_of:
        code_of["als"] = "gsw"  # lid.176 has Wikipedia's names: als.wikipedia is Alemannic

    def answer(text: str) -> tuple[str, int]:
        found, scores = model.predict(text.replace("\n", " "), k=1, threshold=0.0)
        if not found:
            return UNKNOWN, 0
        score = min(SCORE_ONE, int(float(scores[0]) * SCORE_ONE))
        return code_of[found[0].removeprefix(_LABEL)], score

    return Model(
        name="fastText",
        libraries=identity.libraries("fasttext-predict"),
        codes=frozenset(code_of.values()),
        min_score=_FASTTEXT_MIN_SCORE,
        answer=answer,
    )
