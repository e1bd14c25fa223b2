"""The structure of wikitext in one linear pass with an explicit stack, whatever the nesting.

Comments, tags, templates, tables and links are resolved from the inside out. Each character is
looked at a bounded number of times: an opener that is never closed is forgotten, not searched for
again, what is nested deeper than MAX_DEPTH is dropped instead of copied from level to level, and
what is deeper than MAX_OPEN is only counted, so that memory is bounded too.
"""

import re
from collections.abc import Collection

from pipeline.wiki import formulas
from pipeline.wiki.template_arguments import lowered, raised
from pipeline.wiki.templates import render
from pipeline.wiki.wikilines import HOLE, num_bytes, protect
from pipeline.wiki.wikilinks import shown, text_of
from pipeline.wiki.wikitags import BREAK_TAGS, FORMULA_TAGS, HIDDEN_TAGS, LITERAL_TAGS, REMOVED_AS

MAX_DEPTH = 60
"""Open constructs beyond which content is dropped (MediaWiki expands templates 100 deep)."""

MAX_OPEN = 1000
"""Open constructs beyond which openers and closers are counted, and nothing is kept."""

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
_TABLE_END = re.compile(r"\n[ \t]*+==")


_LOOK_BACK_CHARS = 200
# What stands before a template in running text; a footnote or a tag follows its word directly.
_APART = " \xa0([\"'„«“‘/–—$£€~≈"


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


class Parser:
    """Reads the structure of one page; `run` gives the text of its lines."""

    def __init__(
        self, markup: str, title: str, hidden_prefixes: Collection[str], language: str
    ) -> None:
        # Line starts decide about tables, so the first line needs one too.
        self.markup = "\n" + markup
        self.title = title
        self.hidden_prefixes = hidden_prefixes
        self.language = language
        self.stack = [_Frame("root", 0, 0)]
        self.out = self.stack[0].parts[-1]
        self.log: list[tuple[str, int, int]] = []  # (kind, begin, end) of what was removed
        # Where the open constructs of each kind lie in the stack, and how many were only counted.
        self.open: dict[str, list[int]] = {
            kind: [] for kind in ("template", "param", "table", "link")
        }
        self.num_beyond = dict.fromkeys(self.open, 0)
        self.num_inline = self.num_holes = 0
        self.never_closed: set[str] = set()
        self.position = 0

    def run(self) -> str:
        """Resolve the structure; return what is left, lines of text."""
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
                    self.out.append(shown(target, label))
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
        if len(self.stack) >= MAX_OPEN:
            if kind in self.num_beyond:
                self.num_beyond[kind] += 1
            return
        frame = _Frame(kind, start, len(self.log))
        if kind in self.open:
            self.open[kind].append(len(self.stack))
        self.stack.append(frame)
        self.out = frame.parts[-1]

    def _pop(self) -> _Frame:
        frame = self.stack.pop()
        if frame.kind in self.open:
            self.open[frame.kind].pop()
        self.out = self.stack[-1].parts[-1]
        return frame

    def _was_beyond(self, kind: str) -> bool:
        """Close a construct that was only counted."""
        if not self.num_beyond[kind]:
            return False
        self.num_beyond[kind] -= 1
        return True

    def _drop(self, frame: _Frame, kind: str) -> None:
        """Log a whole construct as removed, instead of what was removed inside it."""
        del self.log[frame.log_mark :]
        self.log.append((kind, frame.start, self.position))

    def _flatten(self, keep: int) -> None:
        """Give up the constructs above stack[keep]: they were opened and never closed."""
        target = self.stack[keep].parts[-1]
        for frame in self.stack[keep + 1 :]:
            if frame.kind in self.open:
                self.open[frame.kind].pop()
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

    def _last(self, *kinds: str) -> int:
        """Return where the innermost open construct of some kinds lies in the stack; -1 if none."""
        return max((self.open[kind][-1] for kind in kinds if self.open[kind]), default=-1)

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
            if self._was_beyond("table"):
                return
            index = self._last("table")
            if index > self._last("template", "param"):
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
            count -= 2
            if self._was_beyond("link"):
                continue
            index = self._last("link")
            if index > self._last("template", "param", "table"):
                self._flatten(index)
                # The link ends here, not behind all the brackets of the token.
                self._link()

    def _open_braces(self, count: int, at: int) -> None:
        room = 2 * (MAX_OPEN + 1)
        if count > room:
            self.num_beyond["template"] += (count - room) // 2
            count = room + count % 2
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
        end = self.position
        beyond = min(self.num_beyond["template"], count // 2)
        self.num_beyond["template"] -= beyond
        count -= 2 * beyond
        while count >= 2 and (index := self._last("template", "param")) >= 0:
            self._flatten(index)
            is_param = self.stack[-1].kind == "param"
            count -= 3 if is_param and count >= 3 else 2
            # The construct ends here, not behind all the braces of the token.
            self.position = end - count
            if is_param:
                self._parameter()
            else:
                self._template()
        self.position = end
        if count == 1:
            self.out.append("}")

    def _parameter(self) -> None:
        depth = len(self.stack)
        frame = self._pop()
        if depth <= MAX_DEPTH and len(frame.parts) > 1:
            self.out.append("".join(frame.parts[1]))
        else:
            self._drop(frame, "template")

    def _template(self) -> None:
        depth = len(self.stack)
        frame = self._pop()
        text = None
        is_running = depth == 2 and self._is_running(frame.start)
        if depth <= MAX_DEPTH:
            parts = frame.texts()
            if parts[0].strip() in ("PAGENAME", "BASEPAGENAME", "FULLPAGENAME"):
                text = self.title
            else:
                text = render(parts[0], parts[1:], language=self.language, is_running=is_running)
        if text:
            self.out.append(text)
        else:
            self._drop(frame, "template")
            if text is not None:
                self._part_words(frame.start)
        if is_running and text != "":
            if text is None:
                self._leave_hole()
            else:
                self.num_inline += 1

    def _is_running(self, start: int) -> bool:
        """Whether a template stands behind words of its line, and apart from the last of them."""
        if self.markup[start - 1] not in _APART or self.markup.startswith("''", start - 2):
            return False  # directly behind a word; it may be a bold or an italic one
        begin = max(0, start - _LOOK_BACK_CHARS)
        line = self.markup[self.markup.rfind("\n", begin, start) + 1 or begin : start]
        if line.startswith("{"):
            line = line.rpartition("}}")[2]  # behind other templates, not behind words
        return not line.startswith(("|", "!", "=")) and any(map(str.isalnum, line))

    def _link(self) -> None:
        depth = len(self.stack)
        frame = self._pop()
        text = None
        if depth <= MAX_DEPTH:
            text = text_of(frame.texts(), hidden_prefixes=self.hidden_prefixes)
        if text is None:
            self._drop(frame, "link")
        else:
            self.out.append(text)

    def _external_link(self) -> None:
        depth = len(self.stack)
        frame = self._pop()
        address, *label = "".join(frame.parts[0]).split(maxsplit=1) or [""]
        if depth > MAX_DEPTH or not label:
            self._drop(frame, "link")
        else:
            self.log.append(("link", frame.start, frame.start + len(address) + 1))
            self.out.append(label[0])

    def _tag(self, token: str, at: int) -> None:
        if token == "<":
            self.out.append("<")
            return
        if token == "<!--":
            end = self.markup.find("-->", self.position)
            self.position = end + 3 if end >= 0 else len(self.markup)
            self.log.append(("comment", at, self.position))
            return
        found = _TAG.match(token)
        assert found is not None, token
        closing, name = found.group(1), found.group(2).lower()
        alone = token.endswith("/>")
        if name in HIDDEN_TAGS or name in LITERAL_TAGS:
            if not closing and not alone:
                self._opaque(name, at)
            elif name == "ref" and alone:
                self._part_words(at)
                self.log.append(("reference", at, self.position))
        elif name in ("sup", "sub"):
            if not closing and not alone:
                self._push(name, at)
            elif self.stack[-1].kind == name:
                self._script(name)
        elif name in BREAK_TAGS:
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
        if name in LITERAL_TAGS:
            self.out.append(protect(content))
        elif name in FORMULA_TAGS and (formula := formulas.plain(content)) is not None:
            self.out.append(protect(formula))
        else:
            self.log.append((REMOVED_AS.get(name, "tag"), at, self.position))
            self._part_words(at)
            if name in FORMULA_TAGS and len(self.stack) == 1 and self._is_running(at):
                self._leave_hole()

    def _part_words(self, start: int) -> None:
        """Keep the words on both sides of a footnote apart: "ore.<ref/>Albania", "it{{cn}}is"."""
        around = self.markup[start - 1] + self.markup[self.position : self.position + 1]
        # Scripts without spaces between words lie above Cyrillic.
        is_glued = len(around) == 2 and around[1].isalpha() and max(around) < "\u0530"
        if is_glued and (around[0].isalnum() or around[0] in ".,;:!?)"):
            self.out.append(" ")

    def _leave_hole(self) -> None:
        self.num_inline += 1
        self.num_holes += 1
        self.out.append(HOLE)

    def _script(self, name: str) -> None:
        """Superscripts and subscripts: "10<sup>6</sup>" is not 106."""
        depth = len(self.stack)
        content = "".join(self._pop().parts[0])
        if depth > MAX_DEPTH:
            return
        self.out.append((raised if name == "sup" else lowered)(content))

    def removed(self) -> dict[str, int]:
        """Count the UTF-8 bytes of what was removed, by kind."""
        is_ascii = self.markup.isascii()
        found: dict[str, int] = {}
        for kind, begin, end in self.log:
            size = end - begin if is_ascii else num_bytes(self.markup[begin:end])
            found[kind] = found.get(kind, 0) + size
        return found
