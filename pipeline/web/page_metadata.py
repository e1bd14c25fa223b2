"""What a page's head says of its article: title, author, date, address, language."""

import datetime
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import unescape
from typing import Any

from lxml.html import HtmlElement

from pipeline.web.canonical_url import same_site

_MAX_JSON_CHARS = 1 << 20
_MAX_NODES = 2000
_MAX_VALUE_CHARS = 2000
_FIRST_YEAR = 1990
_ARTICLE_TYPE = re.compile(r"Article|BlogPosting|Report|Review\b|WebPage|LiveBlog", re.I)
_BEST_TYPE = re.compile(r"Article|BlogPosting|Report", re.I)
_TAG = re.compile(r"<[^<>]{1,2000}>")
_SPACE = re.compile(r"\s+")
_DATE = re.compile(r"\b((?:19|20)\d\d)-?([01]\d)-?([0-3]\d)(?!\d)")
_URL_DATE = re.compile(r"/((?:19|20)\d\d)[/-]([01]?\d)[/-]([0-3]?\d)(?:/|-|\b)")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,3}")
_BY = re.compile(r"(?:by|von|par|por|di|door)[:\s]+", re.I)
_SEPARATOR = re.compile(r"\s+[|\u2013\u2014»·•:-]\s+|\s*[|»]\s*")

_TITLES = ("og:title", "twitter:title", "dc.title", "title", "headline")
_AUTHORS = (
    "author",
    "article:author",
    "dc.creator",
    "dcterms.creator",
    "parsely-author",
    "sailthru.author",
    "byl",
    "cxenseparse:author",
)
_DATES = (
    "article:published_time",
    "article:published",
    "datepublished",
    "date",
    "pubdate",
    "publishdate",
    "publish-date",
    "publish_date",
    "dc.date",
    "dc.date.issued",
    "dcterms.created",
    "dcterms.date",
    "dc.date.created",
    "parsely-pub-date",
    "sailthru.date",
    "og:published_time",
    "originalpublicationdate",
    "article.published",
    "cxenseparse:recs:publishtime",
    "last-modified-date",
)


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a page says of itself; empty where it does not."""

    title: str = ""
    author: str = ""
    date: str = ""
    """ISO 8601 day."""
    url: str = ""
    """Canonical, if it is on the page's own host."""
    language: str = ""
    body: str = ""
    """The article's text as the publisher gives it to search engines (JSON-LD articleBody)."""


def read_metadata(root: HtmlElement, *, url: str, latest: str) -> Metadata:
    """Read the metadata of a page.

    Args:
        root: the page, with its scripts of type application/ld+json.
        url: where it was found.
        latest: the day of the capture (ISO 8601), which no date of publication is after; empty
            if unknown. A clock has no say in it.
    """
    metas = _metas(root)
    node = _article_node(root)
    headline = _plain(node.get("headline")) or _plain(node.get("name"))
    title = headline or _first(metas, _TITLES) or _heading(root) or _title_element(root)
    author = _person(node.get("author")) or next(
        (name for key in _AUTHORS if (name := _name(metas.get(key, "")))), ""
    )
    candidates = [_plain(node.get("datePublished")), *(metas.get(key, "") for key in _DATES)]
    times = [t.get("datetime", "") for t in _some(root.iter("time"), 3)]
    found = _URL_DATE.search(url)
    candidates += [*times, "-".join(part.zfill(2) for part in found.groups()) if found else ""]
    return Metadata(
        title=title,
        author=author,
        date=next((day for value in candidates if (day := _day(value, latest))), ""),
        url=_canonical(root, metas, url),
        language=_language(root, metas),
        body=body if isinstance(body := node.get("articleBody"), str) else "",
    )


def _some(elements: Iterable[HtmlElement], most: int) -> Iterator[HtmlElement]:
    for _, element in zip(range(most), elements, strict=False):
        yield element


def _metas(root: HtmlElement) -> dict[str, str]:
    """Return the contents of meta elements by name, property or itemprop; of each the first."""
    metas: dict[str, str] = {}
    for meta in root.iter("meta"):
        content = meta.get("content")
        name = meta.get("property") or meta.get("name") or meta.get("itemprop")
        if content and name:
            metas.setdefault(name.strip().lower(), _plain(content))
        elif content and meta.get("http-equiv", "").lower() == "content-language":
            metas.setdefault("content-language", content)
    return metas


def _first(metas: dict[str, str], names: tuple[str, ...]) -> str:
    return next((metas[name] for name in names if metas.get(name)), "")


def _article_node(root: HtmlElement) -> dict[str, Any]:
    """Return the JSON-LD object of the article, or an empty one."""
    best: dict[str, Any] = {}
    for script in root.iter("script"):
        text = script.text or ""
        if script.get("type") != "application/ld+json" or len(text) > _MAX_JSON_CHARS:
            continue
        try:
            parsed = json.loads(text, strict=False)
        except (ValueError, RecursionError):
            continue
        for node in _nodes(parsed):
            kind = str(node.get("@type", ""))
            if _BEST_TYPE.search(kind) and ("headline" in node or "articleBody" in node):
                return node
            if not best and _ARTICLE_TYPE.search(kind) and "headline" in node:
                best = node
    return best


def _nodes(parsed: Any) -> Iterator[dict[str, Any]]:
    """Walk through JSON-LD breadth first, without recursion."""
    waiting = [parsed]
    for _ in range(_MAX_NODES):
        if not waiting:
            return
        node = waiting.pop(0)
        if isinstance(node, list):
            waiting.extend(node)
        elif isinstance(node, dict):
            yield node
            waiting.extend(
                node[key] for key in ("@graph", "mainEntity", "mainEntityOfPage") if key in node
            )


def _plain(value: Any) -> str:
    text = unescape(value[:_MAX_VALUE_CHARS]) if isinstance(value, str) else ""
    return _SPACE.sub(" ", _TAG.sub(" ", text)).strip()


def _person(value: Any) -> str:
    people = value if isinstance(value, list) else [value]
    names = [_name(p.get("name") if isinstance(p, dict) else p) for p in people[:10]]
    return ", ".join(dict.fromkeys(name for name in names if name))


def _name(value: Any) -> str:
    name = _BY.sub("", _plain(value), count=1) if _BY.match(_plain(value)) else _plain(value)
    return "" if "://" in name or len(name) > 200 or name.startswith("@") else name


def _heading(root: HtmlElement) -> str:
    headings = [_SPACE.sub(" ", h.text_content()).strip() for h in _some(root.iter("h1"), 3)]
    headings = [heading for heading in headings if heading]
    return headings[0][:_MAX_VALUE_CHARS] if len(headings) == 1 else ""


def _title_element(root: HtmlElement) -> str:
    title = next(root.iter("title"), None)
    text = (
        _SPACE.sub(" ", title.text_content()).strip()[:_MAX_VALUE_CHARS]
        if title is not None
        else ""
    )
    parts = _SEPARATOR.split(text)
    return max(parts, key=len) if len(parts) > 1 else text


def _day(value: str, latest: str) -> str:
    """Return the first plausible day in a value."""
    found = _DATE.search(value[:200])
    if not found:
        return ""
    try:
        day = datetime.date(*map(int, found.groups()))
    except ValueError:
        return ""
    # A day later, since the page's clock may be ahead of the archive's.
    limit = datetime.date.fromisoformat(latest) + datetime.timedelta(days=1) if latest else None
    return "" if day.year < _FIRST_YEAR or (limit and day > limit) else day.isoformat()


def _canonical(root: HtmlElement, metas: dict[str, str], url: str) -> str:
    for link in root.iter("link"):
        if link.get("rel", "").lower() == "canonical" and link.get("href"):
            found = same_site(url, link.get("href", ""))
            break
    else:
        found = same_site(url, metas["og:url"]) if metas.get("og:url") else ""
    # A home page named as the article's address is a mistake of the site's template.
    return "" if re.fullmatch(r"https?://[^/]+/?", found) else found


def _language(root: HtmlElement, metas: dict[str, str]) -> str:
    html = next(root.iter("html"), None)
    own = "" if html is None else html.get("lang") or html.get("xml:lang") or ""
    for value in (own, metas.get("content-language", ""), metas.get("og:locale", "")):
        if found := _LANGUAGE.match(value.strip()):
            return found[0].replace("_", "-")
    return ""
