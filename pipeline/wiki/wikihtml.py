"""Wikimedia Enterprise HTML dumps: lines of JSON in a tar.gz, each a page as the wiki shows it.

Templates are expanded there, so nothing is rendered here: what is no prose goes by its element or
class, and the lines that stay go through the same rules as those of wikitext.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from lxml import etree  # pyright: ignore[reportAttributeAccessIssue] - it has no stubs

from pipeline.raw.inflate import gunzip, raw_chunks
from pipeline.raw.tarstream import Lost, members
from pipeline.records import Record, is_drawn
from pipeline.split import Split
from pipeline.wiki import formulas, wikitext
from pipeline.wiki.wikilines import num_bytes, num_sentences, protect, text_of_lines
from pipeline.wiki.wikinames import DISAMBIGUATION, DISAMBIGUATION_SUFFIXES
from pipeline.wiki.wikipages import has_suffix, template_key
from pipeline.wiki.wikitext import Extraction

_HIDDEN_TAGS = {
    "table": "table", "figure": "link", "style": "tag", "script": "tag", "img": "link",
    "audio": "link", "video": "link", "rt": "tag", "rp": "tag", "head": "tag", "link": "tag",
    "meta": "tag", "svg": "tag", "iframe": "tag", "object": "tag", "noscript": "tag",
}  # fmt: skip
_HIDDEN_CLASSES = {
    **dict.fromkeys(["reference", "mw-ref", "references", "mw-references-wrap", "reflist",
                     "mw-cite-backlink", "refbegin"], "reference"),
    **dict.fromkeys(["infobox", "navbox", "vertical-navbox", "sidebar", "wikitable", "toc"],
    "table"),
    **dict.fromkeys(["gallery", "mw-gallery-traditional", "mw-gallery-packed"], "gallery"),
    **dict.fromkeys(["thumb", "mw-file-element", "sistersitebox", "catlinks", "portalbox"], "link"),
    **dict.fromkeys(["hatnote", "dablink", "rellink", "ambox", "tmbox", "ombox", "metadata",
    "asbox",
                     "mw-editsection", "noprint", "shortdescription", "side-box", "mw-empty-elt",
                     "error", "Inline-Template", "printfooter", "navigation-not-searchable",
                     "authority-control", "geo-nondefault", "mw-kartographer-container"],
                     "template"),
}  # fmt: skip
_BLOCKS = frozenset(
    """
    p div section blockquote pre center poem article header footer details summary hr body
    """.split()  # noqa: SIM905 - a list literal of these would fill the page
)
_LISTS = ("ul", "ol", "dl")
_ITEMS = ("li", "dd", "dt")
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_MARKUP_STARTS = "*#:;=|!-{"


def read(split: Split, section: dict[str, Any]) -> Iterator[Record]:
    """Read the pages of a dump; of a page that stands there twice, the first counts.

    Offsets are those of the line in its member, or in the decompressed file.
    """
    limit = section["max_record_mb"] << 20
    seen = bytearray()
    for found in _members(split):
        if isinstance(found, Lost):
            yield Record(
                key="", rejected="damaged_tar", offset=found.offset, num_raw_bytes=found.num_bytes
            )
            continue
        member, chunks = found
        for offset, size, line in _lines(chunks, limit=limit):
            if line is None:
                record = Record(key="", num_raw_bytes=size, rejected="record_too_large")
            elif not line.strip():
                continue
            else:
                record = page_record(line, section=section)
                if not record.rejected and _is_seen(seen, int(record.key)):
                    record = replace(record, text="", removed=(), counts=(), skipped="duplicate_id")
            yield replace(record, offset=offset, member=member)


def page_record(line: bytes, *, section: dict[str, Any]) -> Record:
    """Return the record of one line: its article text, or why it has none."""

    def rejected(reason: str) -> Record:
        return Record(key="", num_raw_bytes=len(line), rejected=reason)

    try:
        page = json.loads(line)
    except (ValueError, RecursionError):
        return rejected("bad_json")
    title, number = _field(page, "name"), _field(page, "identifier")
    body = _field(page, "article_body", "html")
    namespace = _field(page, "namespace", "identifier")
    if not isinstance(number, int) or not 0 <= number < 1 << 32:
        return rejected("no_id")
    if not isinstance(title, str) or not title:
        return rejected("no_title")
    if not isinstance(namespace, int):
        return rejected("no_namespace")
    language, url = _field(page, "in_language", "identifier"), _field(page, "url")
    record = Record(
        key=str(number),
        title=title,
        url=url if isinstance(url, str) else "",
        language=language if isinstance(language, str) else "",
        num_raw_bytes=len(line),
    )
    if namespace != 0:
        return replace(record, skipped="namespace")
    if _is_disambiguation(page, title):
        return replace(record, skipped="disambiguation")
    if not is_drawn(record.key, section):
        return replace(record, skipped="not_drawn")
    if not isinstance(body, str) or not body:
        return rejected("no_html")
    extraction = plain_text(body)
    return rejected("bad_html") if extraction is None else wikitext.extracted(record, extraction)


def plain_text(page: str) -> Extraction | None:
    """Extract the prose of a page's HTML, laid out as wikitext.plain_text does.

    Returns:
        None if there is no element in it.
    """
    parser = etree.HTMLParser(remove_comments=True, remove_pis=True, encoding="utf-8")
    try:
        root = etree.fromstring(page.encode("utf-8", "replace"), parser)
    except (etree.ParseError, ValueError):
        return None
    if root is None:
        return None
    removed: dict[str, int] = {}
    text, num_section_bytes = text_of_lines("".join(_pieces(root, removed)))
    if num_section_bytes:
        removed["section"] = num_section_bytes
    removed["markup"] = num_bytes(page) - num_bytes(text) - sum(removed.values())
    return Extraction(text=text, removed=removed, num_sentences=num_sentences(text))


def _pieces(root: Any, removed: dict[str, int]) -> Iterator[str]:
    """Yield the lines of a page as wikitext has them: "== Heading ==", "* item", paragraphs."""
    walk = etree.iterwalk(root, events=("start", "end"))
    skipped: Any = None
    num_lists = 0  # that are open
    at_start = True  # of a line
    heading = ""
    for event, element in walk:
        tag = element.tag
        if event == "start":
            kind, shown = _hidden(element)
            if kind:
                walk.skip_subtree()
                skipped = element
                if shown:
                    yield shown
                    at_start = False
                else:
                    size = num_bytes("".join(element.itertext()))
                    removed[kind] = removed.get(kind, 0) + size
                continue
            if tag in _HEADINGS:
                heading = "=" * int(tag[1])
                yield f"\n\n{heading} "
                at_start = False
            elif tag in _ITEMS:
                yield "\n* "
                at_start = True
            elif tag in _LISTS or tag in _BLOCKS:
                # Within a list a blank line would end it.
                yield " " if num_lists else "\n\n"
                num_lists += tag in _LISTS
                at_start = True
            elif tag == "br":
                yield protect("\n")
            if element.text:
                yield _literal(element.text, at_start=at_start)
                at_start = at_start and not element.text.strip()
            continue
        if element is skipped:
            skipped = None
        elif tag in _HEADINGS:
            yield f" {heading}\n\n"
            at_start = True
        elif tag in _LISTS or tag in _BLOCKS:
            num_lists -= tag in _LISTS
            yield " " if num_lists else "\n\n"
            at_start = True
        if element.tail:
            yield _literal(element.tail, at_start=at_start)
            at_start = at_start and not element.tail.strip()


def _hidden(element: Any) -> tuple[str, str]:
    """Return as what an element is removed, "" if it stays; and what is shown in its place."""
    kind = _HIDDEN_TAGS.get(element.tag, "")
    if element.tag == "math":
        formula = (element.get("alttext") or "").strip()
        if formula.startswith("{\\displaystyle") and formula.endswith("}"):
            formula = formula[len("{\\displaystyle") : -1].strip()
        return "tag", protect(formulas.plain(formula) or "")
    if kind:
        return kind, ""
    for name in (element.get("class") or "").split():
        if name in _HIDDEN_CLASSES:
            return _HIDDEN_CLASSES[name], ""
    if element.get("role") == "navigation" or (element.get("typeof") or "").startswith("mw:File"):
        return "link", ""
    style = (element.get("style") or "").replace(" ", "").lower()
    return ("tag", "") if "display:none" in style else ("", "")


def _literal(text: str, *, at_start: bool) -> str:
    """Keep text from being read as wikitext: its line breaks are spaces, its signs are signs."""
    text = text.replace("\n", " ")
    if "''" in text or "__" in text or "{{" in text or "&" in text or "~~" in text:
        text = "".join(protect(char) if char in "'_{~" else char for char in text)
        text = text.replace("&", "&amp;")
    if at_start and text.lstrip()[:1] and text.lstrip()[0] in _MARKUP_STARTS:
        text = text.lstrip()
        text = protect(text[0]) + text[1:]
    return text


def _field(page: Any, *names: str) -> Any:
    for name in names:
        page = page.get(name) if isinstance(page, dict) else None
    return page


def _is_disambiguation(page: Any, title: str) -> bool:
    if has_suffix(title, DISAMBIGUATION_SUFFIXES):
        return True
    templates = _field(page, "templates")
    names = [_field(entry, "name") for entry in templates] if isinstance(templates, list) else []
    return any(
        template_key(name.partition(":")[2]) in DISAMBIGUATION
        for name in names
        if isinstance(name, str)
    )


def _is_seen(seen: bytearray, number: int) -> bool:
    """Mark a page id in a bit map, and tell whether it was marked before."""
    at, bit = number >> 3, 1 << (number & 7)
    if at >= len(seen):
        seen.extend(bytes(at + 1 - len(seen)))
    was_seen = bool(seen[at] & bit)
    seen[at] |= bit
    return was_seen


def _members(split: Split) -> Iterator[tuple[str, Iterator[bytes]] | Lost]:
    """Yield the members of an archive, or the one stream of a plain file."""
    chunks = gunzip(split.url) if split.form.endswith("gz") else raw_chunks(split.url)
    if "tar" in split.form:
        yield from members(chunks)
    else:
        yield "", chunks


def _lines(chunks: Iterable[bytes], *, limit: int) -> Iterator[tuple[int, int, bytes | None]]:
    """Yield (offset, size, line); None for a line above the limit, which is never held whole."""
    buffer = bytearray()
    offset = size = 0  # of the line being read
    for chunk in chunks:
        at = 0
        while (end := chunk.find(b"\n", at)) >= 0:
            size += end - at
            if size <= limit:
                buffer += chunk[at:end]
            yield offset, size, bytes(buffer) if size <= limit else None
            offset, size, at = offset + size + 1, 0, end + 1
            buffer.clear()
        size += len(chunk) - at
        if size <= limit:
            buffer += chunk[at:]
        else:
            buffer.clear()
    if size:
        yield offset, size, bytes(buffer) if size <= limit else None
