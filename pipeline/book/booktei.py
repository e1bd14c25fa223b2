"""Books in TEI XML."""

import re
from typing import Any

from pipeline.book.bookblocks import Book, language_code, year
from pipeline.book.bookmarkup import Role, UnreadableError, Walk, full_text, name, parse_xml

_BLOCKS_NAMES = """
    tei tei.2 text group body front back div div0 div1 div2 div3 div4 div5 div6 div7 p ab
    lg sp speaker stage epigraph argument opener closer salute signed dateline byline
    trailer list table floatingtext castlist castgroup postscript q quote said cit
"""
_BLOCKS = frozenset(_BLOCKS_NAMES.split())
_LINES = frozenset({"l", "item", "row", "castitem"})
_SKIPPED_NAMES = """
    teiheader pb cb fw gb milestone figure graphic figdesc gap note titlepage doctitle
    facsimile sourcedoc standoff formula ptr anchor index del sic orig expan
"""
_SKIPPED = frozenset(_SKIPPED_NAMES.split())
_SKIPPED_DIVS = frozenset({"toc", "contents", "index", "titlepage", "imprint", "colophon", "ads"})
_INLINE_PARENTS = frozenset(
    {"p", "ab", "l", "said", "head", "item", "hi", "emph", "note", "q", "quote"}
)


def read_tei(text: str) -> Book:
    """Read a TEI document.

    Raises:
        UnreadableError: it cannot be parsed, or is no TEI.
    """
    root = parse_xml(text)
    if name(root) not in ("tei", "tei.2", "teicorpus"):
        raise UnreadableError("xml_not_tei")
    book = Book()
    _facts(root, book)
    book.blocks = Walk(_role, book).run(root)
    return book


def _role(element: Any, tag: str) -> Role:
    if tag in _SKIPPED:
        if tag in ("sic", "orig", "expan") and name(element.getparent()) != "choice":
            return "inline"
        # A note stands where its mark is, in mid-sentence, or with others at the end of the book.
        is_apart = tag == "note" and name(element.getparent()) not in _INLINE_PARENTS
        return "block" if is_apart else "skip"
    if tag.startswith("div") and (element.get("type") or "").lower() in _SKIPPED_DIVS:
        return "skip"
    if tag == "head":
        return "heading"
    if tag in ("q", "quote", "said", "cit", "stage"):
        return (
            "inline"
            if name(element.getparent()) in _INLINE_PARENTS and not len(element)
            else "block"
        )
    if tag == "speaker":
        return "line"
    if tag == "p" and name(element.getparent()) == "sp":
        return "line"
    if tag in _BLOCKS:
        return "block"
    if tag in _LINES:
        return "line"
    if tag == "lb":
        return "inline" if element.get("break") == "no" else "space"
    if tag == "cell":
        return "cell"
    if (
        tag == "ref"
        and len(full_text(element).strip()) <= 4
        and (element.get("target") or "").startswith("#")
    ):
        return "skip"
    return "inline"


def _facts(root: Any, book: Book) -> None:
    header = next((e for e in root.iter() if name(e) == "teiheader"), None)
    if header is None:
        return
    statements = [e for e in header.iter() if name(e) in ("titlestmt", "sourcedesc")]
    titles: list[str] = []
    for statement in statements:
        for element in statement.iter():
            value = " ".join(full_text(element).split())
            if name(element) == "title" and value:
                titles.append(value)
            elif name(element) == "author":
                book.fill({"author": re.sub(r"\s*\([\d\s?–-]{4,12}\)$", "", value)})
    # "Title : a machine-readable edition" names the file; the source's own title is the book's.
    book.fill(
        {"title": next((t for t in titles[1:] if titles[0].startswith(t)), titles[0])}
        if titles
        else {}
    )
    for wanted in ("firstedition", "printsource", ""):
        for bibl in header.iter():
            if name(bibl) not in ("bibl", "biblstruct", "imprint", "monogr"):
                continue
            if wanted and (bibl.get("type") or "").lower() != wanted:
                continue
            dates = [e for e in bibl.iter() if name(e) == "date"]
            book.fill(
                {
                    "date": next(
                        filter(None, (year(e.get("when") or full_text(e)) for e in dates)), ""
                    )
                }
            )
    languages = [e for e in header.iter() if name(e) == "language"]
    code = root.get("{http://www.w3.org/XML/1998/namespace}lang") or ""
    code = code or (languages[0].get("ident") or languages[0].get("id") or "" if languages else "")
    book.fill({"language": language_code(code)})
