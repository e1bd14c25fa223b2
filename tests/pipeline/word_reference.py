"""The word rule and the normalized view by regular expressions: slow, and plain."""

import functools
import re
import unicodedata

from pipeline.text.token_rule import UNSPACED_RANGES

_JOINERS = "\u200c\u200d"
_ALNUM = r"[^\W_]"


def words(text: str) -> list[str]:
    return _word().findall(text)


def normalized(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    folded = unicodedata.normalize("NFKC", folded)
    visible = re.sub(f"[\xad{_JOINERS}]", "", folded)
    return " ".join(re.findall(f"(?:{_ALNUM}|[{_marks()}])+", visible))


@functools.cache
def _word() -> re.Pattern[str]:
    unspaced = "".join(f"{chr(first)}-{chr(last)}" for first, last in UNSPACED_RANGES)
    spaced = rf"[^\W_{unspaced}]"
    run = f"{spaced}(?:[{_marks()}{_JOINERS}]|{spaced})*+"
    return re.compile(
        f"{run}(?:['’‐‑-]{run}|(?<=[0-9])[.,][0-9]++)*+|(?=[{unspaced}]){_ALNUM}[{_marks()}]*+"
    )


@functools.cache
def _marks() -> str:
    categories = ("Mn", "Mc", "Me")
    codes = (*range(0x300, 0x20000), *range(0xE0100, 0xE01F0))
    return "".join(chr(code) for code in codes if unicodedata.category(chr(code)) in categories)
