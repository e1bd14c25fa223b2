"""Wikitext -> plain text in linear time, whatever the nesting.

First the structure: comments, tags, templates, tables and links (wikiparser.py). Then the lines:
sections, lists, quotes, debris (wikilines.py).
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from pipeline.records import Record
from pipeline.wiki.wikilines import num_bytes, num_sentences, text_of_lines, visible
from pipeline.wiki.wikinames import HIDDEN_PREFIXES
from pipeline.wiki.wikiparser import Parser

WIKITEXT_VERSION = 2
"""Raise it with every change of output; it is part of a stage's identity."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Extraction:
    """The prose of a page, and what was taken away from it."""

    text: str
    removed: dict[str, int] = field(default_factory=dict[str, int])
    """UTF-8 bytes of wikitext removed, by kind: template, table, reference, gallery, tag, link,
    comment, section; "markup" is the rest, so that all of them together are the bytes that the
    text has less than the wikitext (negative where rendered templates added more than that)."""
    num_inline: int = 0
    """Templates in the middle of a line of prose that show something."""
    num_holes: int = 0
    """Those of them that were dropped, because we do not know what they show."""
    num_sentences: int = 0
    """Sentences of the text, roughly: for rates."""


def plain_text(
    markup: str,
    *,
    title: str,
    hidden_prefixes: Collection[str] = HIDDEN_PREFIXES,
    language: str = "en",
) -> Extraction:
    """Extract the prose of an article: words, numbers and structure, no markup and no debris.

    Args:
        markup: the wikitext of one page.
        title: of the page; stands for {{PAGENAME}}.
        hidden_prefixes: lower-case link prefixes of files and categories, in the wiki's language
            and in English.
        language: of the wiki, as its dump has it; empty if unknown. Words that templates add
            ("German: ", "as of") are added in English articles only.

    Returns:
        Paragraphs separated by one blank line; headings are paragraphs, list items are lines.
        Citations, tables, templates that carry no prose, files, galleries and the sections that
        only list sources are gone; `removed` counts what.
    """
    parser = Parser(visible(markup), title, hidden_prefixes, language)
    text, num_section_bytes = text_of_lines(parser.run())
    removed = parser.removed()
    if num_section_bytes:
        removed["section"] = num_section_bytes
    rest = num_bytes(markup) - num_bytes(text) - sum(removed.values())
    if rest:
        removed["markup"] = rest
    return Extraction(
        text=text,
        removed=removed,
        num_inline=parser.num_inline,
        num_holes=parser.num_holes,
        num_sentences=num_sentences(text),
    )


def extracted(record: Record, extraction: Extraction) -> Record:
    """Put what was extracted into the record of its page."""
    counts = {
        "num_sentences": extraction.num_sentences,
        "num_inline_templates": extraction.num_inline,
        "num_holes": extraction.num_holes,
    }
    return replace(
        record,
        text=extraction.text,
        removed=tuple(sorted(extraction.removed.items())),
        counts=tuple(counts.items()),
    )
