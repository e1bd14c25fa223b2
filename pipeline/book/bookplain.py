"""Books in plain text and in Markdown."""

import re

from pipeline.book import bookmarks, gutenberg, reflow
from pipeline.book.bookblocks import Block, Book, language_code, year


def read_plain(text: str) -> Book:
    """Read a plain text, of Project Gutenberg or not."""
    book = Book()
    lines = _lines(text)
    found = gutenberg.find(lines)
    book.fill(found.facts)
    kept = cut(lines, found, book)
    book.blocks = reflow.blocks(bookmarks.clear("\n".join(kept), book))
    return book


def cut(lines: list[str], found: gutenberg.Found, book: Book) -> list[str]:
    """Return the lines that are the book; what goes leaves a wide gap."""
    kept: list[str] = []
    at = 0
    for first, last, kind in found.spans:
        kept += lines[at:first]
        book.drop(kind, "\n".join(lines[first:last]))
        kept += ["", "", ""]
        at = last
    return kept + lines[at:]


def _lines(text: str) -> list[str]:
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n\n")
    return text.replace("\xa0", " ").split("\n")


_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(.*?)[ \t]*#*$")
_SETEXT = re.compile(r" {0,3}(?:=+|-{2,})[ \t]*$")
_FACT = re.compile(r"\**(title|author|year|date|language|lang)\**\s*:\**\s*(.+)", re.IGNORECASE)
_QUOTED = re.compile(r"(?:[ \t]{0,3}+>)++ ?")
_RULE = re.compile(r" {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$")
_FENCE = re.compile(r" {0,3}(?:```|~~~)")
_IMAGE = re.compile(
    r"!\[[^\]\n]{0,500}\](?:\([^()\n]{0,1000}(?:\([^()\n]{0,200}\)[^()\n]{0,200})?\)|\[[^\]\n]{0,200}\])"
)
_LINK = re.compile(
    r"\[([^\[\]\n]{1,1000})\](?:\([^()\n]{0,1000}(?:\([^()\n]{0,200}\)[^()\n]{0,200})?\)|\[[^\]\n]{0,200}\])"
)
_LINK_TARGET = re.compile(r" {0,3}\[[^\]\n]{1,200}\]:\s+\S")
_AUTOLINK = re.compile(r"<(https?://[^>\s]{1,500})>")
_NOTE_MARK = re.compile(r"\[\^[^\]\s]{1,60}\](:[ \t]*)?")
_TAG = re.compile(
    r"</?(?:a|b|i|em|strong|sup|sub|br|span|div|p|center|u|small|img|hr)\b[^<>\n]{0,400}>", re.I
)
_STARS = re.compile(
    r"(?<![\w*\\])(\*{1,3})(?=[^\s*])((?:[^*\n]|\n(?![ \t]*\n)){1,2000}?)(?<=[^\s\\])\1(?![\w*])"
)
_UNDERSCORES = re.compile(r"(?<![\w_\\])(__|___)(?=[^\s_])([^_\n]{1,1000}?)(?<=\S)\1(?![\w_])")
_ESCAPE = re.compile(r"\\([\\`*_{}\[\]()#+\-.!>~|])")
_FRONT_LINES = 40


def read_markdown(text: str) -> Book:
    """Read a Markdown text, its facts from a YAML block or from headings such as "# Title: ...".

    Lines of a paragraph are judged as in plain text, since verse in Markdown is often written
    without the marks of a hard break.
    """
    book = Book()
    lines = _lines(text)
    found = gutenberg.find(lines)
    book.fill(found.facts)
    lines = _front_matter(cut(lines, found, book) if found.spans else lines, book)
    out: list[str] = []
    is_code = False
    for n, line in enumerate(lines):
        if _FENCE.match(line):
            is_code = not is_code
            book.drop("markup", line)
        elif is_code:
            out.append(line)
        elif heading := _HEADING.match(line):
            if n < _FRONT_LINES and (fact := _FACT.fullmatch(heading[2])):
                book.fill(_facts(fact[1], fact[2]))
                book.drop("title_page", line)
            else:
                out += ["", heading[2], ""]
        elif (
            _SETEXT.match(line)
            and n
            and lines[n - 1].strip()
            and (n == 1 or not lines[n - 2].strip())
        ):
            out.append("")
        elif _RULE.match(line) or _LINK_TARGET.match(line):
            book.drop("ornaments" if _RULE.match(line) else "links", line)
            out.append("")
        else:
            out.append(_inline(line, book))
    cleared = bookmarks.clear(_emphasis("\n".join(out)), book)
    book.blocks = [Block(_ESCAPE.sub(r"\1", b.text), b.kind) for b in reflow.blocks(cleared)]
    return book


def _front_matter(lines: list[str], book: Book) -> list[str]:
    """Read and drop a block of "key: value" lines between two rules at the very beginning."""
    if not lines or lines[0].strip() != "---":
        return lines
    for n, line in enumerate(lines[1:200], start=1):
        if line.strip() in ("---", "..."):
            for fact in filter(None, (_FACT.match(fact_line) for fact_line in lines[1:n])):
                book.fill(_facts(fact[1], fact[2].strip().strip("\"'")))
            book.drop("title_page", "\n".join(lines[: n + 1]))
            return lines[n + 1 :]
    return lines


def _facts(name: str, value: str) -> dict[str, str]:
    name = name.lower()
    if name in ("year", "date"):
        return {"date": year(value) or value}
    if name in ("language", "lang"):
        return {"language": language_code(value)}
    return {name: value}


def _inline(line: str, book: Book) -> str:
    """Return a line without links, images, tags, quotation marks of blocks and note marks."""
    if quoted := _QUOTED.match(line):
        line = line[quoted.end() :]
    if "](" in line or "][" in line:
        before = line
        line = _LINK.sub(r"\1", _IMAGE.sub("", line))
        book.drop("links", before[: len(before) - len(line)])
    if "[^" in line:
        line = _NOTE_MARK.sub("", line)
    if "<" in line:
        line = _TAG.sub("", _AUTOLINK.sub(r"\1", line))
    return line


def _emphasis(text: str) -> str:
    """Take off stars and double underscores; single ones go with those of plain text."""
    if "__" in text:
        text = _UNDERSCORES.sub(r"\2", text)
    return _STARS.sub(r"\2", text) if "*" in text else text
