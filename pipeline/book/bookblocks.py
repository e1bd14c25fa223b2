"""What every reader of books makes first: blocks of text in reading order, and a book's facts."""

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, a heading, or lines that belong together (a stanza, a table, an address)."""

    text: str
    """One line, or lines of a "lines" block joined by line feeds."""
    kind: Literal["prose", "heading", "lines"] = "prose"


@dataclass(kw_only=True, slots=True)
class Book:
    """A book on its way from blocks to text; a function of its bytes alone."""

    blocks: list[Block] = field(default_factory=list)
    title: str = ""
    author: str = ""
    date: str = ""
    """Of publication: a year, or a year and what the source says of its era."""
    language: str = ""
    captions: list[str] = field(default_factory=list)
    """Of illustrations that were taken out, to know them again in a list of illustrations."""
    removed: Counter[str] = field(default_factory=Counter)
    """UTF-8 bytes taken out, by kind."""

    def drop(self, kind: str, text: str) -> None:
        """Count text that is taken out."""
        self.removed[kind] += len(text.encode("utf-8", "surrogatepass"))

    def fill(self, facts: dict[str, str]) -> None:
        """Take facts that are not known yet."""
        for name in ("title", "author", "date", "language"):
            if facts.get(name) and not getattr(self, name):
                setattr(self, name, " ".join(facts[name].split()))


_YEAR = re.compile(r"(?<!\d)(1[0-9]{3}|20[0-9]{2})(?!\d)")
_LANGUAGES = {
    "english": "en", "french": "fr", "german": "de", "dutch": "nl", "italian": "it",
    "spanish": "es", "portuguese": "pt", "finnish": "fi", "swedish": "sv", "danish": "da",
    "norwegian": "no", "latin": "la", "greek": "el", "esperanto": "eo", "chinese": "zh",
    "hungarian": "hu", "polish": "pl", "russian": "ru", "czech": "cs", "catalan": "ca",
    "tagalog": "tl", "japanese": "ja", "welsh": "cy", "icelandic": "is", "français": "fr",
    "deutsch": "de",
}  # fmt: skip


def year(text: str) -> str:
    """Return the first year that a text names, or nothing."""
    found = _YEAR.search(text)
    return found[1] if found else ""


def language_code(name: str) -> str:
    """Return the ISO 639 code of a language's English name; a code stays as it is."""
    word = name.strip().split(",")[0].strip()
    if word.lower() in _LANGUAGES:
        return _LANGUAGES[word.lower()]
    return word if re.fullmatch(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]+)*", word) else ""
