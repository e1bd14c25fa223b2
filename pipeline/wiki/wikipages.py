"""What a page is by its wikitext: a redirect, a disambiguation page, or an article."""

import re
from collections.abc import Collection

from pipeline.wiki.wikinames import (
    DISAMBIGUATION,
    DISAMBIGUATION_SUFFIXES,
    NAME_LISTS,
    REDIRECT_WORDS,
)

_REDIRECT = re.compile(r"[\s\ufeff]{0,99}(#[^\s\[:]{2,40})\s{0,99}:?\s{0,99}\[\[")
_TITLE = re.compile(r".*[(（]([^()（）]+)[)）]\Z", re.DOTALL)
# A template that begins a line, or stands behind another one: an inline tag such as
# {{disambiguation needed}} has words before it, and a name of its own.
_BLOCK_TEMPLATE = re.compile(r"(?:\A|\n|\}\}|-->)[ \t]*+\{\{\s*+([^{}|\n<]{1,80})")
_SWITCH = "__DISAMBIG__"


def is_redirect(text: str) -> bool:
    """Tell whether wikitext begins with a redirect word of any language, and a link."""
    found = _REDIRECT.match(text)
    return found is not None and found[1].lower() in REDIRECT_WORDS


def is_disambiguation(text: str, *, title: str) -> bool:
    """Tell whether a page only lists what its title may mean: a disambiguation or set index page.

    Hatnotes ({{for}}, {{other uses}}) and inline tags do not make an article one of these. Pages
    about a name are, if most of their lines are items of a list.
    """
    if has_suffix(title, DISAMBIGUATION_SUFFIXES) or _SWITCH in text:
        return True
    is_name = False
    for found in _BLOCK_TEMPLATE.finditer(text):
        name = template_key(found[1])
        if name in DISAMBIGUATION:
            return True
        is_name = is_name or name in NAME_LISTS
    return is_name and _is_mostly_list(text)


def has_suffix(title: str, suffixes: Collection[str]) -> bool:
    """Tell whether a title ends with one of these words in brackets."""
    found = _TITLE.match(title)
    return found is not None and found[1].strip().lower() in suffixes


def template_key(name: str) -> str:
    """Return a template's name as the tables have it: "Birth_date  and age" is one of three."""
    return " ".join(name.replace("_", " ").split()).lower()


def _is_mostly_list(text: str) -> bool:
    lines = [line for line in text.split("\n") if line[:1].isalnum() or line[:1] in ("*", "#", "'")]
    num_items = sum(line[0] in "*#" for line in lines)
    return num_items * 2 > len(lines)
