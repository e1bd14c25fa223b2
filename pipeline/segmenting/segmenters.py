"""Which sources are cut into words by a segmenter, and the segmenter: ICU's dictionaries.

ICU cuts Chinese and Japanese by one dictionary of word frequencies, Thai, Lao, Burmese and Khmer by
a word list each, and all other text by Unicode standard annex 29. One package has all of them, with
its data inside, so a text is cut alike wherever the same version is installed.
"""

import functools
import importlib.metadata
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pipeline.recipe import Recipe
from pipeline.recipe_source import Source
from pipeline.text.language_codes import normalized

LANGUAGES = frozenset(
    "zh yue wuu gan hsn hak nan cdo lzh ja th lo my km bo dz".split()  # noqa: SIM905 - a table
)
"""Written without spaces between words. Tibetan and Dzongkha mark syllables, which count as words:
their rule is in `start_kernel`, and ICU has no say."""

VERSION = 1
"""Of the rule in `start_kernel`; raise it with every change of output."""
_PACKAGE = "icu4py"


def named(source: Source) -> str:
    """Return the name of a source's segmenter, or nothing."""
    if source.segmenter:
        return source.segmenter if source.segmenter != "none" else ""
    return "icu" if normalized(source.language) in LANGUAGES else ""


def installed() -> dict[str, str]:
    """Return the versions of what cuts text into words, empty where it is not installed."""
    try:
        version = importlib.metadata.version(_PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return {}
    import icu4py

    # Built on another machine the package may hold the dictionaries of another ICU.
    return {_PACKAGE: version, "icu": icu4py.icu_version}


def versions(recipe: Recipe) -> dict[str, dict[str, str]]:
    """Return the segmenter of each source that has one, with the versions that its words depend on.

    Raises:
        ValueError: it is not installed.
    """
    check(recipe)
    found = {source.name: named(source) for source in recipe.source}
    return {
        name: {"name": one, "rule": str(VERSION), **installed()}
        for name, one in found.items()
        if one
    }


def libraries(cut_by: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return the versions of the libraries whose output is in a set, and of the rule upon it.

    Args:
        cut_by: what `versions` returned.
    """
    return {**installed(), "segmenter": str(VERSION)} if cut_by else {}


def check(recipe: Recipe) -> None:
    """Check that the segmenters that a recipe asks for are installed.

    Raises:
        ValueError: one is not.
    """
    for source in recipe.source:
        if named(source) and not installed():
            why = "its segmenter" if source.segmenter else f"language {source.language!r} needs it"
            raise ValueError(
                f"source {source.name!r}: the package {_PACKAGE}, which tells where words begin in "
                f"scripts without spaces ({why}), is not installed; `pip install "
                f"'{_PACKAGE}>=1.2,<1.3'`, or say segmenter = \"none\" in its [[source]]: then "
                "whole-word masks hide single tokens there"
            )


@functools.cache
def _breaker() -> type:
    from icu4py.breakers import WordBreaker

    return WordBreaker


def word_bytes(text: str) -> NDArray[np.int64]:
    """Return the bytes (of UTF-8) in which ICU's words begin; what is no word is cut off too.

    Args:
        text: without lone surrogates.

    Returns:
        int64, rising; 0 first, unless the text is empty.
    """
    # ICU counts UTF-16 units. Its rules for the scripts in question are the same in every locale.
    spans = _breaker()(text, "en").segments()
    units = np.fromiter((begin for begin, _ in spans), dtype=np.int64)
    data = np.frombuffer(text.encode(), dtype=np.uint8)
    chars = np.flatnonzero((data & 0xC0) != 0x80)
    is_pair = data[chars] >= 0xF0
    if is_pair.any():
        chars = np.repeat(chars, 1 + is_pair)
    assert not units.size or units[-1] < chars.size, "the segmenter counts in other units"
    return chars[units]
