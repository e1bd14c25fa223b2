"""Books in HTML and XHTML: which elements are text, and which page numbers, notes or pictures."""

import re
from typing import Any

from pipeline.book import gutenberg
from pipeline.book.bookblocks import Book, language_code, year
from pipeline.book.bookmarkup import (
    Role,
    Walk,
    full_text,
    name,
    parse_html,
    reread_plain,
    strip_blocks,
)

_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_BLOCKS_NAMES = """
    address article aside blockquote body caption center dd details dir div dl dt fieldset
    footer form header hgroup html main menu ol p section summary table tbody tfoot thead
    ul
"""
_BLOCKS = frozenset(_BLOCKS_NAMES.split())
_LINES = frozenset({"li", "tr"})
_SKIPPED_NAMES = """
    head script style noscript template svg math img audio video canvas object embed
    iframe nav map select textarea button input figure figcaption link meta del
"""
_SKIPPED = frozenset(_SKIPPED_NAMES.split())
_SHORT_SKIPPED = re.compile(
    r"(?:^|[\s_-])(?:pg|page)-?(?:num|no|number|break|s)?\w{0,2}$|page_?n(?:um|o)|pagebreak|folio"
    r"|fnanchor|noteref|footnote-?ref|linenum|line-?number|lineno"
)
_LONG_SKIPPED = re.compile(
    r"(?:^|[\s_-])(?:trans|t)-?notes?(?:\s|$)|transcriber|(?:^|\s)tn(?:\s|$)|(?:^|\s)toc\d?(?:\s|$)|(?:^|\s)loi(?:\s|$)"
    r"|fig(?:center|left|right|ure)|(?:^|\s)fig(?:\s|$)|(?:^|\s)caption|illustration|(?:^|\s)illus"
    r"|pg-?boilerplate|pg-?header|pg-?footer|mynote"
)
_FRONT_TYPES_NAMES = """
    titlepage halftitlepage imprint colophon copyright-page toc landmarks loi lot cover
    index pagebreak page-list noteref backlink
"""
_FRONT_TYPES = frozenset(_FRONT_TYPES_NAMES.split())
_LINE_CLASS = re.compile(r"(?:^|\s)(?:verse|line|l|i\d{1,2}|v\d?)(?:\s|$)")
_STANZA = re.compile(r"stanza|poem|poetry|verse|(?:^|\s)lg")
_NOTE_LINK = re.compile(r"\s*[\[({]?\s*(?:[0-9]{1,4}|[A-Za-z]|[*†‡§]{1,3}|\d+[a-z])\s*[\])}]?\s*")
_NOTE_TARGET = re.compile(r"#.*(?:note|fn|ft|foot|fu(?:ss|ß)|cit|ref|anchor)", re.IGNORECASE)
_MEDIA = re.compile(r"\.(?:midi?|mp3|ogg|wav|mxl|ly)$", re.IGNORECASE)
_PICTURE = re.compile(r"\.(?:png|jpe?g|gif|svg)$", re.IGNORECASE)
_PICTURE_WORDS = re.compile(
    r"\s*(?:[\[(].*|.*\b(?:illustration|image|enlarge|larger|full[ -]size)\b.*)?\s*", re.I | re.S
)
_HIDDEN_RULE = re.compile(r"(?:^|\})\s*([a-z]*\.[\w-]+)\s*\{[^{}]*display\s*:\s*none", re.I)
_MEDIA_RULE = re.compile(r"@[a-z-]+[^{};]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}|/\*.*?\*/|<!--|-->", re.S)
_EPUB_TYPE = "{http://www.idpf.org/2007/ops}type"
_MAX_SHORT_CHARS = 24
_MAX_LONG_CHARS = 30_000
_MAX_HIDDEN_CHARS = 2000
_HEAD_TITLE = re.compile(
    r"(?:the\s+)?project\s+gutenberg(?:'s|’s)?\s+(?:e-?book|e-?text)?\s*(?:of|,)?\s*", re.IGNORECASE
)


def read_html(text: str) -> Book:
    """Read an HTML or XHTML document.

    Raises:
        UnreadableError: it cannot be parsed.
    """
    root = parse_html(text)
    book = Book()
    _facts(root, book)
    hidden = set()
    for element in root.iter():
        if name(element) == "style":
            rules = _MEDIA_RULE.sub("", (element.text or "")[:_MAX_LONG_CHARS])
            hidden.update(rule.lower() for rule in _HIDDEN_RULE.findall(rules))
    facts_of_header: list[str] = []

    def role(element: Any, tag: str) -> Role:
        return _role(element, tag, hidden, facts_of_header)

    book.blocks = Walk(role, book).run(root)
    if facts_of_header:
        header = Book()
        header.fill(_header_facts("\n".join(facts_of_header)))
        book.title = header.title or book.title
        book.fill({"author": header.author, "language": header.language})
    strip_blocks(book)
    return reread_plain(book)


def _role(element: Any, tag: str, hidden: set[str], header: list[str]) -> Role:
    if tag in _SKIPPED:
        return "skip"
    if element.attrib:
        marks = f"{element.get('class') or ''} {element.get('id') or ''}".lower().strip()
        kinds = element.get(_EPUB_TYPE) or element.get("epub:type") or element.get("role") or ""
        if marks and _is_skipped(element, tag, marks, hidden):
            if "header" in marks or "boilerplate" in marks:
                header.append(full_text(element))
            return "skip"
        if kinds and not _FRONT_TYPES.isdisjoint(kinds.replace("doc-", "").lower().split()):
            return "skip"
        style = element.get("style")
        if "hidden" in element.attrib or (
            style and "display:none" in style.replace(" ", "").lower()
        ):
            return "skip"
        if tag == "a" and _is_note_link(element):
            return "skip"
        if marks and tag in ("div", "p", "span") and _LINE_CLASS.search(marks):
            return _line_role(element, tag)
    if tag in _HEADINGS:
        return "heading"
    if tag in _BLOCKS:
        return "block"
    if tag in _LINES:
        return "line"
    if tag == "br":
        return "break"
    if tag in ("td", "th"):
        return "cell"
    if tag in ("pre", "xmp", "plaintext"):
        return "pre"
    if tag == "hr":
        return "rule"
    if (
        tag == "sup"
        and len(element)
        and name(element[0]) == "a"
        and _NOTE_LINK.fullmatch(full_text(element)[:32])
    ):
        return "skip"
    return "inline"


def _line_role(element: Any, tag: str) -> Role:
    """A verse line, if it stands in a stanza and is not one itself."""
    parent = element.getparent()
    if parent is None:
        return "inline" if tag == "span" else "block"
    around = f"{parent.get('class') or ''}".lower()
    if tag != "span" and not _STANZA.search(around):
        return "block"
    return "line" if _STANZA.search(around) else "inline"


def _is_skipped(element: Any, tag: str, marks: str, hidden: set[str]) -> bool:
    """Tell whether class or id say that an element is no text of the book.

    Only if it is as small as such a thing is: a tag left open may hold the whole book.
    """
    if hidden and any(f".{mark}" in hidden or f"{tag}.{mark}" in hidden for mark in marks.split()):
        return len(full_text(element)) <= _MAX_HIDDEN_CHARS
    if tag != "body" and _SHORT_SKIPPED.search(marks):
        return len("".join(full_text(element).split())) <= _MAX_SHORT_CHARS
    if tag not in ("body", "html") and tag not in _HEADINGS and _LONG_SKIPPED.search(marks):
        return len(full_text(element)) <= _MAX_LONG_CHARS
    return False


def _is_note_link(element: Any) -> bool:
    """Tell whether a link is the mark of a note, or leads back from one; pages in an index are not.

    Or to a recording: what such links say ("midi", "Listen") is not the book's either.
    """
    href = element.get("href") or ""
    if _PICTURE.search(href) and not _PICTURE_WORDS.fullmatch(full_text(element)):
        return False  # a word of the sentence
    if _MEDIA.search(href) or _PICTURE.search(href):
        return len(full_text(element)) <= _MAX_SHORT_CHARS
    if "#" not in href or not (text := full_text(element)[:32].strip()):
        return False
    if not _NOTE_LINK.fullmatch(text):
        return False
    return text[0] in "[({" or bool(_NOTE_TARGET.search(href))


def _header_facts(text: str) -> dict[str, str]:
    return gutenberg.find(text.split("\n")).facts


def _facts(root: Any, book: Book) -> None:
    """Read title, author, date and language from the document's own head."""
    meta: dict[str, str] = {}
    title = ""
    for element in root.iter():
        tag = name(element)
        if tag == "title" and not title:
            title = " ".join(full_text(element).split())
        elif tag == "meta":
            key = (element.get("name") or element.get("property") or "").lower()
            if key and element.get("content"):
                meta.setdefault(key, element.get("content"))
        elif tag == "body":
            break
    title = _HEAD_TITLE.sub("", meta.get("dc.title") or meta.get("og:title") or title)
    author = meta.get("author") or meta.get("dc.creator") or ""
    if found := re.fullmatch(r"(.{2,200}?)[,:;]?\s+by\s+([^,]{3,80}?)\.?", title):
        title, author = found[1], author or found[2]
    language = root.get("lang") or root.get("{http://www.w3.org/XML/1998/namespace}lang") or ""
    date = meta.get("dc.date") or meta.get("dc.date.issued") or ""
    book.fill(
        {
            "title": title,
            "author": author,
            "language": language_code(language or meta.get("dc.language") or ""),
            "date": year(date),
        }
    )
