"""Texts on which fast code and plain code are compared: strategies, and pieces of real files."""

import bz2
import gzip
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

from hypothesis import strategies as st

PIECES = (
    "the",
    "The",
    "that",
    "javascript",
    "JavaScript",
    "Lorem  Ipsum",
    "lorem ipsum",
    "terms of use",
    "Use of Cookies",
    "[12]",
    "[edit]",
    "[citation needed]",
    "[",
    "{",
    "3 likes",
    "1.2k Followers",
    "items in cart",
    "read more...",
    "Sign-in",
    "don't",
    "they’d",
    "U.S.",
    "e.g.",
    "No. 5",
    "Dr. Who",
    "www.x.org/a-b",
    "a://b",
    "3,000.50",
    "2024-05-06",
    "tel. 030 123456",
    "+49 30 1234567",
    "me@x.org",
    "8.8.8.8",
    "日本語です。",
    "ภาษาที่",
    "हिन्दी",
    "cafe\u0301",
    "Straße",
    "ﬁne",
    "ΐ\u0301",
    "\u1100\u1161\u11a8",
    "\u00bd",
    "\ufdfa",
    "co\xadop",
    "می\u200cخواهم",
    "x" * 1001,
    "•",
    "- ",
    "...",
    "…",
    ". . .",
    "\n",
    "\n\n",
    "\n \n",
    "\r\n",
    "\x85",
    "\u2028",
    "\t",
    " ",
    " ",
    " ",
    " ",
    "\u00a0",
    "”",
    '"',
    "!",
    "?",
    "。",
    "।",
    "😀",
)
PROSE = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)
REPEATING = st.lists(
    st.sampled_from(["a", "b", "ab", "ba", "1", "12", "21", "\n"]), max_size=60
).map(" ".join)
ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
TEXTS = st.one_of(PROSE, REPEATING, ANY)

_FILES = (
    "wikipedia/enwiki-p10-shortened.xml.bz2",
    "wikipedia/ltgwiki-complete-pages-articles.xml",
    "wikipedia/nlwiki-20140927-sample.xml",
    "wikipedia/aawiki-20260101-pages-meta-current.xml.bz2",
)


def real_texts(folder: Path, *, num_each: int, num_chars: int = 3000) -> Iterator[str]:
    """Yield a list of hostile strings, and as many pieces of each of some dumps."""
    yield from json.loads((folder / "unicode" / "blns.json").read_text())
    for name in _FILES:
        path = folder / name
        with bz2.open(path) if path.suffix == ".bz2" else path.open("rb") as file:
            text = file.read(2 * num_each * num_chars).decode(errors="ignore")
        for begin in range(0, len(text), num_chars)[:num_each]:
            yield text[begin : begin + num_chars]
    with gzip.open(folder / "langid" / "udhr.jsonl.gz", "rt") as file:
        for line in itertools.islice(file, 0, 40 * num_each, 10):
            yield json.loads(line)["text"]
