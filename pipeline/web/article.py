"""The article of a news page: trafilatura inside deterministic budgets, resiliparse beyond them.

trafilatura is fast and stateless as called here: no second algorithm, no comments, no tables, no
duplicate memory (which would make a page's text depend on the pages before it), no dates (which it
bounds by the clock). Around it: furniture dropped by name before, lines of furniture after; the
page's largest text container where trafilatura found a tenth as much elsewhere; and the publisher's
own text for search engines as a witness.
"""

import functools
from dataclasses import dataclass

import lxml.etree as etree
from lxml.etree import _Element
from lxml.html import HtmlElement
from resiliparse.extract.html2text import (  # pyright: ignore[reportMissingModuleSource]
    extract_plain_text,
)
from trafilatura.baseline import baseline, html2txt
from trafilatura.htmlprocessing import convert_tags, tree_cleaning
from trafilatura.main_extractor import extract_content
from trafilatura.settings import Extractor

from pipeline.web import article_blocks, html_tree
from pipeline.web.article_blocks import Block
from pipeline.web.page_metadata import Metadata, read_metadata

MAX_CHARS = 2_000_000
"""Of HTML. A longer page goes to resiliparse, as one with more tags or deeper does."""
MAX_TAGS = 50_000
MAX_NESTED_TAGS = 16_000_000
"""Tags times their greatest depth, up to which resiliparse takes seconds; beyond, a page is given
up."""

_HEAD_CHARS = 1 << 17
_MIN_CONTAINER_CHARS = 800
_SMALL_SHARE = 0.25
"""Of the main container's text; if trafilatura found less, the container is tried alone."""
_MIN_GROWTH = 1.5
_MIN_CHARS = 250
"""These three are trafilatura's: below which a text counts as not found, and which text is so short
and small a share of its page that it is sought again with other rules."""
_SHORT_CHARS = 3000
_SHORT_SHARE = 0.2
# fmt: off
_FLAT = frozenset({
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr",
    "p", "li", "dt", "dd", "td", "th", "tr", "tbody", "thead", "option", "html", "head", "body",
})
# fmt: on
"""Elements without content, and those that the next of their kind ends."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Article:
    """What a page says, and says of itself."""

    text: str
    title: str = ""
    author: str = ""
    date: str = ""
    """Of publication: an ISO 8601 day; empty if unknown."""
    url: str = ""
    """Canonical, if the page names one on its host."""
    language: str = ""
    removed: tuple[tuple[str, int], ...] = ()
    """Bytes (UTF-8) taken out: markup, and text that is not of the article (boilerplate)."""
    is_beyond_budget: bool = False
    """Whether resiliparse took over."""
    is_too_complex: bool = False
    """Whether the page was given up for its nesting."""


def extract(html: str, url: str, latest: str) -> Article:
    """Extract the article of a page, a function of the arguments alone.

    Args:
        html: the page, decoded.
        url: where it was found.
        latest: the day of the capture (ISO 8601); empty if unknown.
    """
    if len(html) > MAX_CHARS or html.count("<") > MAX_TAGS:
        return _beyond_budget(html, url=url, latest=latest)
    root, is_whole = html_tree.parse(html)
    if not is_whole:
        return _beyond_budget(html, url=url, latest=latest)
    if root is None or root.find("body") is None:
        return Article(text="", removed=(("markup", len(html.encode())),))
    metadata = read_metadata(root, url=url, latest=latest)
    try:
        body, num_text_bytes = _main_text(root, html)
    except (TypeError, ValueError):  # what trafilatura's own entry point takes for a bad page
        return _beyond_budget(html, url=url, latest=latest)
    blocks = article_blocks.without_furniture(article_blocks.blocks_of(body), title=metadata.title)
    if metadata.body:
        blocks = article_blocks.agreed(blocks, metadata.body)
    return _article(
        article_blocks.text_of(blocks),
        metadata,
        num_html=len(html.encode()),
        num_text=num_text_bytes,
    )


def _article(
    text: str, metadata: Metadata, *, num_html: int, num_text: int, is_beyond_budget: bool = False
) -> Article:
    num_bytes = len(text.encode())
    return Article(
        text=text,
        title=metadata.title,
        author=metadata.author,
        date=metadata.date,
        url=metadata.url,
        language=metadata.language,
        removed=(
            ("boilerplate", max(0, num_text - num_bytes)),
            ("markup", num_html - max(num_text, num_bytes)),
        ),
        is_beyond_budget=is_beyond_budget,
    )


def _num_text_bytes(body: HtmlElement) -> int:
    scripts = sum(len((script.text or "").encode()) for script in body.iter("script"))
    return len(body.text_content().encode()) - scripts


def _main_text(root: HtmlElement, html: str) -> tuple[_Element, int]:
    """Return the text of a page as trafilatura's tree, and the bytes of all its text.

    The steps are those of `trafilatura.core.trafilatura_sequence` without its copies of the tree:
    the few pages that need another look are parsed again.
    """
    num_text_bytes, num_container_chars = _prepare(root)
    page_chars = len(root.text_content())
    found, text = _extracted(root, _options())
    if len(text) < _MIN_CHARS:
        other, other_text, _ = baseline(_fresh(html))
        if len(other_text) > len(text):
            found, text = other, other_text
    if 0 < len(text) < min(_SHORT_CHARS, _SHORT_SHARE * page_chars):
        again = _fresh(html)
        if len(text) < _SHORT_SHARE * len(html2txt(again)):
            other, other_text = _extracted(again, _options(recall=True))
            if len(other_text) >= _MIN_CHARS and len(other_text) > _MIN_GROWTH * len(text):
                found, text = other, other_text
    if num_container_chars >= _MIN_CONTAINER_CHARS and (
        len(text) < _SMALL_SHARE * num_container_chars
    ):
        again = _fresh(html)
        container, _ = html_tree.main_container(again)
        if container is not None:
            container.tail = None
            page = root.makeelement("html")
            etree.SubElement(etree.SubElement(page, "body"), "article").append(container)
            other, other_text = _extracted(page, _options())
            if len(other_text) > _MIN_GROWTH * len(text):
                found = other
    return found, num_text_bytes


def _prepare(root: HtmlElement) -> tuple[int, int]:
    """Drop furniture; return the bytes of all text, and the characters of the main container."""
    html_tree.drop_textless(root)
    body = root.find("body")
    assert body is not None
    num_text_bytes = _num_text_bytes(body)
    main, num_chars = html_tree.main_container(body)
    html_tree.drop_furniture(body, main=main)
    html_tree.demote_layout_tables(body)
    return num_text_bytes, num_chars


def _fresh(html: str) -> HtmlElement:
    root, _ = html_tree.parse(html)
    assert root is not None
    _prepare(root)
    return root


def _extracted(root: HtmlElement, options: Extractor) -> tuple[_Element, str]:
    return extract_content(convert_tags(tree_cleaning(root, options), options), options)


@functools.cache
def _options(*, recall: bool = False) -> Extractor:
    return Extractor(
        output_format="python", fast=True, recall=recall, comments=False, tables=False, dedup=False
    )


def _beyond_budget(html: str, *, url: str, latest: str) -> Article:
    """Extract with resiliparse, which takes a tenth of the time and memory."""
    if _depth(html) * html.count("<") > MAX_NESTED_TAGS:
        return Article(text="", is_too_complex=True)
    root, _ = html_tree.parse(html[:_HEAD_CHARS])
    metadata = Metadata() if root is None else read_metadata(root, url=url, latest=latest)
    text = extract_plain_text(
        html, main_content=True, list_bullets=False, links=False, alt_texts=False, form_fields=False
    )
    blocks = [Block("p", line) for line in map(article_blocks.plain, text.split("\n\n")) if line]
    blocks = article_blocks.without_furniture(blocks, title=metadata.title)
    num_html = len(html.encode("utf-8", "replace"))
    return _article(
        article_blocks.text_of(blocks),
        metadata,
        num_html=num_html,
        num_text=0,
        is_beyond_budget=True,
    )


def _depth(html: str) -> int:
    """Return about how deep the elements of a page are nested, at most."""
    depth = deepest = 0
    for found in article_blocks.TAG.finditer(html):
        if found[2].lower() in _FLAT:
            continue
        if found[1]:
            depth = max(0, depth - 1)
        else:
            depth += 1
            deepest = max(deepest, depth)
    return deepest
