"""Books in HTML, XHTML and TEI: an element tree becomes blocks, whatever its vocabulary."""

import re
from collections.abc import Callable, Mapping
from html.entities import html5
from typing import Any, Literal

from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  # has no stubs
from lxml import html as lxml_html

from pipeline.book import gutenberg, reflow
from pipeline.book.bookblocks import Block, Book
from pipeline.book.bookplain import read_plain

Role = Literal[
    "inline", "block", "heading", "line", "break", "space", "cell", "pre", "rule", "skip"
]

_XML_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]{1,31});")
_XML_DECLARATION = re.compile(r"^\s*<\?xml[^>]{0,300}\?>")
_DOCTYPE = re.compile(r"<!DOCTYPE[^>\[]{0,1000}>", re.IGNORECASE)
_SPACE = re.compile(r"[ \t\r\n\f\xa0]+")
_MIN_WRAPPED_LINES = 3
_KEEP_ENTITIES = frozenset({"amp", "lt", "gt", "quot", "apos"})


class UnreadableError(ValueError):
    """Markup that cannot be read; its text is the reason of a reject."""


def parse_xml(text: str) -> Any:
    """Parse XML without entities, network or unlimited size.

    Raises:
        UnreadableError: it is not well-formed, or defines entities.
    """
    if "<!ENTITY" in text:
        raise UnreadableError("xml_entities")
    text = _XML_DECLARATION.sub("", _DOCTYPE.sub("", text, count=1), count=1)
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False,
        remove_comments=True, remove_pis=True,
    )  # fmt: skip
    try:
        return etree.fromstring(_XML_ENTITY.sub(_entity, text).encode("utf-8", "replace"), parser)
    except etree.XMLSyntaxError as error:
        raise UnreadableError("xml") from error


def _entity(match: re.Match[str]) -> str:
    """Return the character of a named entity of HTML, which XML does not know."""
    if match[1] in _KEEP_ENTITIES:
        return match[0]
    chars = html5.get(match[1] + ";", "")
    return chars.replace("&", "&amp;").replace("<", "&lt;") if chars else "&amp;" + match[1] + ";"


def parse_html(text: str) -> Any:
    """Parse HTML as it comes, XHTML as XML where it is well-formed.

    Raises:
        UnreadableError: it has no element, or defines entities.
    """
    if "<!ENTITY" in text:
        raise UnreadableError("xml_entities")
    if "<?xml" in text[:200] or "http://www.w3.org/1999/xhtml" in text[:2000]:
        try:
            return parse_xml(text)
        except UnreadableError:
            pass
    parser = lxml_html.HTMLParser(
        no_network=True, huge_tree=False, remove_comments=True, remove_pis=True, encoding="utf-8"
    )
    body = _XML_DECLARATION.sub("", text, count=1)
    try:
        root = lxml_html.document_fromstring(body.encode("utf-8", "replace"), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError) as error:
        raise UnreadableError("html") from error
    return root


def name(element: Any) -> str:
    """Return an element's name without its namespace, in lower case; empty for comments."""
    tag = element.tag
    return tag.rpartition("}")[2].lower() if isinstance(tag, str) else ""


def full_text(element: Any) -> str:
    """Return all the text inside an element."""
    return "".join(element.itertext())


class Walk:
    """Blocks in document order; the state of one walk over a tree."""

    def __init__(self, role: Callable[[Any, str], Role], book: Book) -> None:
        self._role = role
        self._book = book
        self._parts: list[str] = []
        self._lines: list[str] = []
        self._is_lines = False
        self._kind: Literal["prose", "heading"] = "prose"
        self.blocks: list[Block] = []

    def run(self, root: Any) -> list[Block]:
        """Walk a tree without recursion, since markup may be nested deeper than the stack."""
        stack: list[tuple[Any, Role, bool]] = [(root, self._role(root, name(root)), False)]
        in_pre = 0
        while stack:
            element, role, is_end = stack.pop()
            if is_end:
                in_pre -= role == "pre"
                self._leave(role)
                if element.tail:
                    self._text(element.tail, in_pre)
                continue
            if role in ("skip", "break", "rule", "space"):
                self._empty(element, role)
                if element.tail:
                    self._text(element.tail, in_pre)
                continue
            self._enter(role)
            in_pre += role == "pre"
            if element.text:
                self._text(element.text, in_pre)
            stack.append((element, role, True))
            for child in reversed(element):
                tag = name(child)
                stack.append((child, self._role(child, tag) if tag else "skip", False))
        self._flush()
        return self.blocks

    def _text(self, text: str, in_pre: int) -> None:
        if not in_pre:
            self._parts.append(text)
            return
        lines = text.split("\n")
        self._parts.append(lines[0].replace(" ", "\0"))
        for line in lines[1:]:
            self._end_line(is_pre=True)
            self._parts.append(line.replace(" ", "\0"))

    def _empty(self, element: Any, role: Role) -> None:
        if role == "break":
            self._end_line()
        elif role == "space":
            self._parts.append(" ")
        elif role == "rule":
            self._flush()
            self.blocks.append(Block("", "heading"))
        elif name(element):
            self._book.drop("markup", full_text(element))

    def _enter(self, role: Role) -> None:
        if role in ("block", "heading", "pre"):
            self._flush()
            if role == "heading":
                self._kind = "heading"
            self._is_lines = role == "pre"
        elif role == "line":
            self._end_line(only_text=True)
        elif role == "cell" and any(not part.isspace() for part in self._parts):
            self._parts.append("\0\0")

    def _leave(self, role: Role) -> None:
        if role in ("block", "heading", "pre"):
            self._flush()
        elif role == "line":
            self._end_line(only_text=True)
            self._is_lines = True

    def _end_line(self, *, is_pre: bool = False, only_text: bool = False) -> None:
        line = _SPACE.sub(" ", "".join(self._parts)).strip(" ").replace("\0", " ").rstrip()
        self._parts = []
        if line or not only_text:
            self._lines.append(line)
        if is_pre or (line and not only_text):
            self._is_lines = True

    def _flush(self) -> None:
        if self._parts:
            self._end_line(only_text=True)
        if any(self._lines):
            self._close()
        self._lines, self._is_lines, self._kind = [], False, "prose"

    def _close(self) -> None:
        lines = self._lines
        while lines and not lines[-1]:
            lines.pop()
        while lines and not lines[0]:
            lines.pop(0)
        if self._kind == "heading":
            self.blocks.append(Block(" ".join(line.strip() for line in lines if line), "heading"))
        elif len(lines) == 1:
            self.blocks.append(Block(lines[0].strip()))
        else:
            left = min(len(line) - len(line.lstrip(" ")) for line in lines if line)
            self.blocks.append(Block("\n".join(line[left:] for line in lines), "lines"))


def strip_blocks(book: Book) -> None:
    """Take Project Gutenberg's header, footer, credits and notes out of a book's blocks."""
    lines: list[str] = []
    owners: list[int] = []
    for number, block in enumerate(book.blocks):
        own = ["", "", "", ""] if block.kind == "heading" else [""]
        own += block.text.split("\n") if block.text else []
        lines += own
        owners += [number] * len(own)
    found = gutenberg.find(lines)
    book.fill(found.facts)
    gone = [False] * len(lines)
    for first, last, kind in found.spans:
        gone[first:last] = [True] * (last - first)
        book.drop(kind, "\n".join(line for line in lines[first:last] if line))
    kept: dict[int, list[str]] = {}
    for line, owner, is_gone in zip(lines, owners, gone, strict=True):
        if not is_gone:
            kept.setdefault(owner, []).append(line)
    book.blocks = [
        Block(text, block.kind)
        for number, block in enumerate(book.blocks)
        if (text := "\n".join(kept.get(number, [])).strip("\n"))
    ]
    book.blocks = [_joined(block) for block in book.blocks]


def _joined(block: Block) -> Block:
    """Join preformatted lines that are wrapped prose; verse stays."""
    lines = block.text.split("\n")
    if block.kind != "lines" or len(lines) < _MIN_WRAPPED_LINES or "" in lines:
        return block
    width = max(map(len, lines))
    return Block(reflow.join(lines)) if reflow.is_prose(lines, width, is_wrapped=False) else block


def reread_plain(book: Book) -> Book:
    """Read a book as plain text if its markup is only a shell around preformatted lines."""
    preformatted = sum(len(b.text) for b in book.blocks if b.text.count("\n") > 40)
    if preformatted * 10 < 8 * sum(len(b.text) for b in book.blocks) or not preformatted:
        return book
    plain = read_plain("\n\n".join(block.text for block in book.blocks))
    plain.removed += book.removed
    facts: Mapping[str, str] = {
        key: getattr(book, key) for key in ("title", "author", "date", "language")
    }
    plain.fill(dict(facts))
    return plain
