"""A page as an lxml tree, without what is no text of its article.

What is dropped here by name (related links, share buttons, sign-ups, captions, author boxes, ...)
is what trafilatura leaves; names were chosen on the readability, newspaper3k and trafilatura sets.
"""

import re

import lxml.etree as etree
from lxml.html import HtmlElement

# One class for all elements: looking each up by its name, as lxml.html does, takes a tenth of an
# extraction, and nothing here needs forms or links as such.
_PARSER = etree.HTMLParser(
    collect_ids=False,
    default_doctype=False,
    encoding="utf-8",
    remove_comments=True,
    remove_pis=True,
)
_PARSER.set_element_class_lookup(etree.ElementDefaultClassLookup(element=HtmlElement))
_INVALID = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")

JSON_LD = "application/ld+json"
PARAGRAPH_END = "\U0010ff0a"
"""Stands in the text for the second of two line breaks, which trafilatura would drop."""
# fmt: off
_NO_TEXT = (
    "style", "svg", "template", "iframe", "frame", "frameset", "object", "embed", "applet",
    "canvas", "audio", "video", "map", "area", "select", "textarea", "input", "button", "datalist",
    "dialog", "progress", "math", "link", "noindex", "source", "track", "picture",
)
_NAMED = (
    "div", "section", "ul", "ol", "dl", "li", "p", "span", "a", "aside", "header", "nav", "table",
    "figcaption", "small", "strong", "em", "details", "h2", "h3", "h4", "h5", "h6",
)
_HOLDERS = frozenset({"div", "section", "ul", "ol", "li"})
_ROLES = frozenset({
    "navigation", "complementary", "contentinfo", "banner", "search", "dialog", "alert", "toolbar",
    "menu", "menubar",
})
# fmt: on

_EDGE, _END = r"(?:^|[\s_-])", r"(?=$|[\s_-])"
_FURNITURE = re.compile(
    rf"{_EDGE}(?:"
    r"share|sharing|shares|sharethis|sharedaddy|share-\w+|addthis\w*|addtoany\w*|a2a|shareaholic\S*"
    r"|social|socials|social-\w+|follow-us"
    r"|newsletters?|signup|sign-up|subscribe|subscription|promo|promos|promobox"
    r"|related\w*|recirc\w*|recommended|recommendations?|recommend|more-stories|more-news"
    r"|also-read|see-also|read-next|up-next|whats-next"
    r"|most-?read|most-?popular|trending|popular-posts"
    r"|outbrain|taboola|zergnet|revcontent|mgid"
    r"|advert\w*|adsense|ad-?slot|ad-?unit|ad-?container|dfp\S*|sponsor|sponsored"
    r"|author-?bio|bio-?box|about-?(?:the-?)?author|author-?(?:box|info|card|desc\w*)|bylines?"
    r"|tags|post-?tags|tag-?links|tags-?links|tag-?list|article-?tags|topics-list|keywords"
    r"|breadcrumbs?|pagination|pager|post-navigation|nav-links|page-links|skip-link"
    r"|comments|comment-?list|comment-respond|disqus_thread|respond|fb-comments"
    r"|cookie-?(?:banner|bar|notice|law|consent)|gdpr\S*|consent"
    r"|sr-only|visually-?hidden|screen-reader-text|a11y-hidden|print-only|print-link"
    r"|captions?|wp-caption-text|credits?|photo-?credit|image-credit"
    r"|vjs-\S+|video-js|jwplayer|mejs-\S+|copyright|ratings?|toolbar|tool-bar"
    rf"){_END}",
    re.I,
)
"""In a class or id."""
_ARTICLE = re.compile(
    r"articlebody|article-?body|(?:entry|post|article)-?content|story-?body", re.I
)
"""In a class or id, this outweighs the above."""
_COMMENTS_ID = re.compile(r"[Cc]omment(?!ary)|comol|disqus_thread|dsq-comments")
_COMMENTS_CLASS = re.compile(r"^[Cc]omment(?!ary)|(?:article|post)-comments")
_ENDLESS = re.compile(r"mvp-post-add-(?:box|wrap)")
"""Whole other articles, appended by a theme that scrolls on for ever."""
_ELSEWHERE = re.compile(
    rf"{_EDGE}(?:comments?|commentlist|replies|reply|discussion|forum-?post|next|prev|previous|more"
    rf"|related){_END}",
    re.I,
)
_LARGEST_SHARE = 4
"""A quarter of the page's text and more is never dropped for a name."""
_RUNNING_CHARS = 60
"""A shorter paragraph says nothing about where the article is."""
_LAYOUT_CHARS = 800


def parse(html: str) -> tuple[HtmlElement | None, bool]:
    """Parse a page, however broken.

    Returns:
        The tree, or None if there is nothing in it; and whether all of the page is there, which is
        not so where elements are nested more than 255 deep.
    """
    if _INVALID.search(html):
        html = _INVALID.sub("", html)
    try:
        root = etree.fromstring(html.encode("utf-8"), parser=_PARSER)
    except etree.XMLSyntaxError:
        return None, True
    is_whole = not len(_PARSER.error_log.filter_from_fatals())
    return root, is_whole


def drop(element: HtmlElement) -> None:
    """Remove an element with its content; the text behind it stays."""
    parent = element.getparent()
    if parent is None:
        return
    if element.tail:
        previous = element.getprevious()
        if previous is None:
            parent.text = (parent.text or "") + element.tail
        else:
            previous.tail = (previous.tail or "") + element.tail
    parent.remove(element)


def drop_textless(root: HtmlElement) -> None:
    """Remove elements without text to read (JSON-LD stays), and mark doubled line breaks."""
    for element in list(root.iter(*_NO_TEXT)):
        drop(element)
    for element in list(root.iter("script")):
        if element.get("type") != JSON_LD:
            drop(element)
    for element in root.iter("div", "p", "section"):
        # An empty block parts two lines; without it their words would touch.
        if element.tail and not len(element) and not (element.text or "").strip():
            element.tail = f" {element.tail.lstrip()}"
    for element in list(root.iter("br")):
        before = element.getprevious()
        if before is not None and before.tag == "br" and not (before.tail or "").strip():
            element.tail = f"{PARAGRAPH_END}{element.tail or ''}"
            drop(element)


def drop_furniture(body: HtmlElement, *, main: HtmlElement | None) -> None:
    """Remove what stands around an article, and inside it between paragraphs.

    Args:
        body: of the page.
        main: its main container; neither that nor what it is in is removed for its name.
    """
    kept = set() if main is None else {main, *main.iterancestors()}
    total = len(body.text_content())
    known: dict[str, int] = {"": 0}
    dropped: set[HtmlElement] = set()
    for element in list(body.iter(*_NAMED)):
        names = _names(element)
        verdict = known.get(names)
        if verdict is None:
            verdict = known[names] = _verdict(element, names)
        if not verdict and element.get("role") not in _ROLES:
            continue
        if verdict < _SURELY and (
            element in kept
            or any(above in dropped for above in element.iterancestors())
            or len(element.text_content()) * _LARGEST_SHARE >= total
            or element.find(".//h1") is not None
        ):
            continue
        dropped.add(element)
        drop(element)


_MAYBE, _SURELY = 1, 2


def _verdict(element: HtmlElement, names: str) -> int:
    """Tell whether class and id are those of furniture (comments surely are)."""
    if element.tag in ("div", "section", "details", "ol", "ul") and (
        _COMMENTS_ID.match(element.get("id", ""))
        or _COMMENTS_CLASS.search(element.get("class", ""))
    ):
        return _SURELY
    if _ENDLESS.search(names):
        return _SURELY
    return _MAYBE if _FURNITURE.search(names) and not _ARTICLE.search(names) else 0


def _names(element: HtmlElement) -> str:
    own, unique = element.get("class"), element.get("id")
    return f"{own} {unique}" if own and unique else own or unique or ""


def demote_layout_tables(body: HtmlElement) -> None:
    """Turn tables that lay out the page into plain containers; others go with the extraction."""
    for table in list(body.iter("table")):
        if any(_is_layout(cell) for cell in table.iter("td")):
            table.tag = "div"
            for part in list(table.iter("tbody", "thead", "tr", "td", "th")):
                part.tag = "div"


def _is_layout(cell: HtmlElement) -> bool:
    return (
        len(cell.findall("p")) >= 2
        or cell.find(".//article") is not None
        or len(cell.text_content()) > _LAYOUT_CHARS
    )


def main_container(body: HtmlElement) -> tuple[HtmlElement | None, int]:
    """Return the element with most running text, and its characters in direct paragraphs.

    A paragraph counts for its parent, and half for the parent of that; not if most of it is links,
    or if it stands among comments or on the way to other pages.
    """
    scores: dict[HtmlElement, int] = {}
    own: dict[HtmlElement, int] = {}
    elsewhere: dict[HtmlElement, bool] = {}
    for paragraph in body.iter("p"):
        parent = paragraph.getparent()
        num_chars = len(paragraph.text_content())
        if num_chars < _RUNNING_CHARS or parent is None:
            continue
        if 2 * sum(len(link.text_content()) for link in paragraph.iter("a")) > num_chars:
            continue
        if _is_elsewhere(parent, elsewhere):
            continue
        scores[parent] = scores.get(parent, 0) + num_chars
        own[parent] = own.get(parent, 0) + num_chars
        if (above := parent.getparent()) is not None:
            scores[above] = scores.get(above, 0) + num_chars // 2
            own[above] = own.get(above, 0) + num_chars
    if not scores:
        return None, 0
    best = max(scores, key=lambda element: scores[element])  # of equals the first
    return best, own[best]


def _is_elsewhere(element: HtmlElement, known: dict[HtmlElement, bool]) -> bool:
    """Tell whether an element or one around it is named as comments or as ways to other pages."""
    path: list[HtmlElement] = []
    verdict = False
    for holder in (element, *element.iterancestors()):
        if holder in known:
            verdict = known[holder]
            break
        path.append(holder)
    for holder in reversed(path):
        if holder is element or holder.tag in _HOLDERS:
            verdict = verdict or bool(_ELSEWHERE.search(_names(holder)))
        known[holder] = verdict
    return verdict
