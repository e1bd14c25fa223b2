"""Wikitext -> plain text in one linear pass with an explicit stack, whatever the nesting.

First the structure: comments, tags, templates, tables and links are resolved from the inside out
(this module). Then the lines: sections, lists, quotes, debris (wikilines.py). Each character is
looked at a bounded number of times: an opener that is never closed is forgotten, not searched for
again, and what is nested deeper than MAX_DEPTH is dropped instead of copied from level to level.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field

from pipeline.templates import SUBSCRIPTS, SUPERSCRIPTS, render
from pipeline.wikilines import protect, text_of_lines, visible

WIKITEXT_VERSION = 1
"""Raise it with every change of output; it is part of a stage's identity."""

MAX_DEPTH = 60
"""Open constructs beyond which content is dropped (MediaWiki expands templates 100 deep)."""

HIDDEN_PREFIXES = frozenset({"file", "image", "media", "category"})
"""Link prefixes that show nothing in the text, in lower case; a dump's siteinfo names its own."""

# Tags whose content is no prose. "ref" is by far the most frequent.
_HIDDEN_TAGS = frozenset(
    """
    ref references gallery timeline math chem ce score syntaxhighlight source imagemap graph chart
    mapframe maplink templatedata templatestyles hiero inputbox categorytree indicator includeonly
    section style script dynamicpagelist rss videoflash
    """.split()  # noqa: SIM905 - a list literal of these would fill the page
)
_REMOVED_AS = {"ref": "reference", "references": "reference", "gallery": "gallery"}
_LITERAL_TAGS = frozenset({"nowiki", "pre"})
_BREAK_TAGS = frozenset({"br", "p", "div", "li", "hr", "blockquote", "poem", "center", "dd", "dt"})

_TOKEN = re.compile(
    r"[<{}\[\]|\n](?:"
    r"(?<=<)(?:!--|/?[A-Za-z][A-Za-z0-9]*+[^<>]*+>)"
    r"|(?<=\{)\{++"
    r"|(?<=\})\}++"
    # a plain link as one token: groups 1 (target) and 2 (label)
    r"|(?<=\[)\[([^\[\]{}<>|\n:]++)(?:\|([^\[\]{}<>|\n]*+))?\]\](?!\])"
    r"|(?<=\[)(?:\[|https?:|ftps?:|//|mailto:|irc:|news:)"
    r"|(?<=\])\]++"
    r"|(?<=\n)[ \t:*#]*+(?:\{\||\|\}(?!\})))?"
)
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]*)")
_INTERWIKI = re.compile(r"(?:[a-z]{2,3}|simple|[a-z]{2,3}-[a-z-]{2,12})\Z")
_FILE_NAME = re.compile(
    r"[^\n]*\.(?:jpe?g|png|gif|svg|tiff?|webp|og[gv]|webm|pdf)\Z", re.IGNORECASE
)
_FILE_OPTION = re.compile(r"\s*(?:thumb|thumbnail|frame|frameless|\d{2,4}(?:x\d{2,4})?px)\s*\Z")
_SIMPLE_FORMULA = re.compile(r"[\w\s+\-−=<>.,:;!()\[\]/*'|]{1,60}\Z")
_TABLE_END = re.compile(r"\n[ \t]*+==")


@dataclass(frozen=True, kw_only=True, slots=True)
class Extraction:
    """The prose of a page, and what was taken away from it."""

    text: str
    removed: dict[str, int] = field(default_factory=dict[str, int])
    """Characters of wikitext removed, by kind: template, table, reference, gallery, tag, link,
    comment, section; "markup" is the rest of the difference in length, where there is any."""


class _Frame:
    """An open construct and what has been gathered in it."""

    __slots__ = ("kind", "log_mark", "parts", "start")

    def __init__(self, kind: str, start: int, log_mark: int) -> None:
        self.kind = kind  # root, template, param, table, link, ext, sup or sub
        self.start = start
        self.log_mark = log_mark
        self.parts: list[list[str]] = [[]]

    def texts(self) -> list[str]:
        return ["".join(part) for part in self.parts]


class _Parser:
    """Reads the structure of one page; `run` gives the text of its lines."""

    def __init__(self, markup: str, title: str, hidden_prefixes: Collection[str]) -> None:
        # Line starts decide about tables, so the first line needs one too.
        self.markup = "\n" + markup
        self.title = title
        self.hidden_prefixes = hidden_prefixes
        self.stack = [_Frame("root", 0, 0)]
        self.out = self.stack[0].parts[-1]
        self.log: list[tuple[str, int]] = []  # (kind, characters removed)
        self.num_open = dict.fromkeys(("template", "param", "table", "link"), 0)
        self.never_closed: set[str] = set()
        self.position = 0

    def run(self) -> str:
        markup, search = self.markup, _TOKEN.search
        while found := search(markup, self.position):
            at, token = found.start(), found.group()
            if at > self.position:
                self.out.append(markup[self.position : at])
            self.position = found.end()
            first = token[0]
            if first == "|":
                self._pipe()
            elif first == "\n":
                self._line(token, at)
            elif first == "<":
                self._tag(token, at)
            elif first == "[":
                target, label = found.groups()
                if target:
                    self.out.append(_shown(target, label))
                else:
                    self._open_bracket(token, at)
            elif first == "]":
                self._close_brackets(len(token))
            elif first == "{":
                self._open_braces(len(token), at)
            else:
                self._close_braces(len(token))
        self.out.append(markup[self.position :])
        self._flatten(0)
        return "".join(self.stack[0].parts[0])

    # -- the stack ---------------------------------------------------------------------------

    def _push(self, kind: str, start: int) -> None:
        frame = _Frame(kind, start, len(self.log))
        self.stack.append(frame)
        self.out = frame.parts[-1]
        if kind in self.num_open:
            self.num_open[kind] += 1

    def _pop(self) -> _Frame:
        frame = self.stack.pop()
        if frame.kind in self.num_open:
            self.num_open[frame.kind] -= 1
        self.out = self.stack[-1].parts[-1]
        return frame

    def _drop(self, frame: _Frame, kind: str) -> None:
        """Log a whole construct as removed, instead of what was removed inside it."""
        del self.log[frame.log_mark :]
        self.log.append((kind, self.position - frame.start))

    def _flatten(self, keep: int) -> None:
        """Give up the constructs above stack[keep]: they were opened and never closed."""
        target = self.stack[keep].parts[-1]
        for frame in self.stack[keep + 1 :]:
            if frame.kind in self.num_open:
                self.num_open[frame.kind] -= 1
            if frame.kind in ("template", "param"):
                # Its head is no prose; behind a blank line the article has probably gone on.
                target.append("|".join(frame.texts()).partition("\n\n")[2])
            elif frame.kind == "table":
                content = "".join(frame.parts[0])
                heading = _TABLE_END.search(content)
                target.append(content[heading.start() :] if heading else "")
            elif frame.kind == "ext":
                target.append("".join(frame.parts[0]).partition(" ")[2])
            else:
                target.extend(frame.parts[-1])
        del self.stack[keep + 1 :]
        self.out = target

    def _find(self, kinds: tuple[str, ...], stop: tuple[str, ...], limit: int) -> int:
        """Look down the stack for one of `kinds`, not past one of `stop`; -1 if there is none."""
        for index in range(len(self.stack) - 1, max(0, len(self.stack) - 1 - limit), -1):
            kind = self.stack[index].kind
            if kind in kinds:
                return index
            if kind in stop:
                return -1
        return -1

    # -- one method per token ----------------------------------------------------------------

    def _pipe(self) -> None:
        frame = self.stack[-1]
        if frame.kind in ("template", "param", "link"):
            frame.parts.append([])
            self.out = frame.parts[-1]
        else:
            self.out.append("|")

    def _line(self, token: str, at: int) -> None:
        self.out.append("\n")
        if token.endswith("{|"):
            self._push("table", at + 1)
        elif token.endswith("|}"):
            index = -1
            if self.num_open["table"]:
                index = self._find(("table",), ("template", "param"), len(self.stack))
            if index >= 0:
                self._flatten(index)
                self._drop(self._pop(), "table")
            else:
                self._pipe()
        else:
            self.out.append(token[1:])

    def _open_bracket(self, token: str, at: int) -> None:
        if token == "[":
            self.out.append("[")
        elif token == "[[":
            self._push("link", at)
        else:
            if self.stack[-1].kind == "ext":
                # A link cannot stand in a link: the outer bracket was a plain one.
                self._flatten(len(self.stack) - 2)
            self._push("ext", at)
            self.out.append(token[1:])

    def _close_brackets(self, count: int) -> None:
        while count > 0:
            kind = self.stack[-1].kind
            if kind == "ext":
                self._external_link()
                count -= 1
                continue
            if count == 1:
                self.out.append("]")
                return
            index = -1
            if self.num_open["link"]:
                index = self._find(("link",), ("template", "param", "table"), 20)
            if index >= 0:
                self._flatten(index)
                self._link()
            count -= 2

    def _open_braces(self, count: int, at: int) -> None:
        while count >= 2:
            if count == 3:
                self._push("param", at)
                return
            self._push("template", at)
            count -= 2
            at += 2
        if count:
            self.out.append("{")

    def _close_braces(self, count: int) -> None:
        while count >= 2 and (self.num_open["template"] or self.num_open["param"]):
            index = self._find(("template", "param"), (), len(self.stack))
            self._flatten(index)
            kind = self.stack[-1].kind
            count -= 3 if kind == "param" and count >= 3 else 2
            # The construct ends here, not behind all the braces of the token.
            depth = len(self.stack)
            frame = self._pop()
            if kind == "param":
                self.out.append("".join(frame.parts[1]) if len(frame.parts) > 1 else "")
                continue
            text = None
            if depth <= MAX_DEPTH:
                parts = frame.texts()
                if parts[0].strip() in ("PAGENAME", "BASEPAGENAME", "FULLPAGENAME"):
                    text = self.title
                else:
                    text = render(parts[0], parts[1:])
            if text is None:
                self._drop(frame, "template")
            else:
                self.out.append(text)
        if count == 1:
            self.out.append("}")

    def _link(self) -> None:
        depth = len(self.stack)
        frame = self._pop()
        if depth > MAX_DEPTH:
            self._drop(frame, "link")
            return
        parts = frame.texts()
        target = parts[0].strip()
        prefix, colon, rest = target.partition(":")
        if colon and prefix:
            # Files of a wiki whose own prefix we were not told show by their name or options.
            hidden = (
                prefix.strip().lower() in self.hidden_prefixes
                or len(parts) > 2
                or _FILE_NAME.match(target) is not None
                or any(_FILE_OPTION.match(part) for part in parts[1:])
            )
            if hidden or (_INTERWIKI.match(prefix) and len(parts) == 1 and "\n" not in rest):
                self._drop(frame, "link")
                return
        if "\n" in target and len(parts) == 1:
            self.out.append(parts[0])  # no link at all
            return
        label = "|".join(parts[1:]) if len(parts) > 1 else None
        if target.startswith(("http://", "https://", "//")) and label is None:
            label = target.partition(" ")[2] or " "
        self.out.append(_shown(target.removeprefix(":"), label))

    def _external_link(self) -> None:
        depth = len(self.stack)
        frame = self._pop()
        address, *label = "".join(frame.parts[0]).split(maxsplit=1)
        if depth > MAX_DEPTH or not label:
            self._drop(frame, "link")
        else:
            self.log.append(("link", len(address) + 1))
            self.out.append(label[0])

    def _tag(self, token: str, at: int) -> None:
        if token == "<":
            self.out.append("<")
            return
        if token == "<!--":
            end = self.markup.find("-->", self.position)
            self.position = end + 3 if end >= 0 else len(self.markup)
            self.log.append(("comment", self.position - at))
            return
        found = _TAG.match(token)
        assert found is not None, token
        closing, name = found.group(1), found.group(2).lower()
        alone = token.endswith("/>")
        if name in _HIDDEN_TAGS or name in _LITERAL_TAGS:
            if not closing and not alone:
                self._opaque(name, at)
            elif name == "ref" and alone:
                self.log.append(("reference", self.position - at))
        elif name in ("sup", "sub"):
            if not closing and not alone:
                self._push(name, at)
            elif self.stack[-1].kind == name:
                self._script(name)
        elif name in _BREAK_TAGS:
            self.out.append(protect("\n"))

    def _opaque(self, name: str, at: int) -> None:
        """Skip or keep what stands up to the closing tag, without reading it as wikitext."""
        begin = self.position
        if name in self.never_closed:
            return
        found = re.compile(rf"</{name}\s*+>", re.IGNORECASE).search(self.markup, begin)
        if found is None:
            self.never_closed.add(name)
            return
        content = self.markup[begin : found.start()]
        self.position = found.end()
        if name in _LITERAL_TAGS:
            self.out.append(protect(content))
        elif name == "math" and _SIMPLE_FORMULA.match(content):
            self.out.append(protect(content.strip()))
        else:
            self.log.append((_REMOVED_AS.get(name, "tag"), self.position - at))

    def _script(self, name: str) -> None:
        """Superscripts and subscripts: "10<sup>6</sup>" is not 106."""
        depth = len(self.stack)
        content = "".join(self._pop().parts[0])
        if depth > MAX_DEPTH:
            return
        table = SUPERSCRIPTS if name == "sup" else SUBSCRIPTS
        shifted = content.translate(table)
        plain = any(a == b and not a.isspace() for a, b in zip(content, shifted, strict=True))
        self.out.append(content if plain else shifted)


def _shown(target: str, label: str | None) -> str:
    """What a link shows; "[[Paris (Texas)|]]" is the pipe trick, and shows "Paris"."""
    if label is None:
        return target
    return label if label.strip() else target.partition(" (")[0]


def plain_text(
    markup: str, *, title: str, hidden_prefixes: Collection[str] = HIDDEN_PREFIXES
) -> Extraction:
    """Extract the prose of an article: words, numbers and structure, no markup and no debris.

    Args:
        markup: the wikitext of one page.
        title: of the page; stands for {{PAGENAME}}.
        hidden_prefixes: lower-case link prefixes of files and categories, in the wiki's language
            and in English.

    Returns:
        Paragraphs separated by one blank line; headings are paragraphs, list items are lines.
        Citations, tables, templates that carry no prose, files, galleries and the sections that
        only list sources are gone; `removed` counts what.
    """
    parser = _Parser(visible(markup), title, hidden_prefixes)
    text, num_section_chars = text_of_lines(parser.run())
    removed: dict[str, int] = {}
    for kind, size in [*parser.log, ("section", num_section_chars)]:
        if size:
            removed[kind] = removed.get(kind, 0) + size
    rest = len(markup) - len(text) - sum(removed.values())
    if rest > 0:
        removed["markup"] = rest
    return Extraction(text=text, removed=removed)
