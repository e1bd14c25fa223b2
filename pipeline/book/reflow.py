r"""Hard-wrapped lines back into paragraphs; verse, tables, lists and addresses stay lines.

A break between two lines was forced if the next line's first word would not have fitted. In
wrapped prose nearly all breaks inside a paragraph are forced and most lines go on in lower case;
in verse neither holds. Each block of lines between blank lines is judged by these two shares,
measured against the width that the file is wrapped to. A file without blank lines between its
paragraphs is cut where a line ends early.

Reflowing what was reflowed changes nothing: a joined paragraph is one line, and a text with many
long lines counts as not wrapped.
"""

import re
from collections.abc import Sequence, Set
from dataclasses import dataclass
from itertools import pairwise

from pipeline.book.bookblocks import Block

_LONG_LINE_CHARS = 110
"""Nobody wraps at more."""
_MAX_LONG_SHARE = 0.3
_MIN_WIDTH = 40
_MAX_PASSES = 4
_UNSPACED_LINES = 25
"""Mean lines per block from which blank lines do not separate paragraphs."""

_FIRST_LETTER = re.compile(r"[^\W\d_]")
_FIRST_WORD = re.compile(r"\S+")
_COLUMNS = re.compile(r"\S {3,}\S")
_ITEM = re.compile(r"\s*(?:[-*•·–]|\(?[0-9]{1,3}[.)]|[A-Z]{2,}[.:])\s")
_PAGE_REFERENCE = re.compile(r"(?:\s{2,}|\.{2,}\s*|,\s*)[0-9ivxlc]{1,5}[;.]?$")
_ENDING = re.compile(r"[.!?:;…»”\"'’)\]—-]$")
_SPACES = re.compile(r" {2,}")
_HYPHENATED = re.compile(r"[^\W\d_](-)$")
_WORDS = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_LAST_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*-$")
_NEXT_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


@dataclass(frozen=True, slots=True)
class _Layout:
    """How a file is set."""

    width: int
    """Of its wrapped lines in characters; 0 if it has none."""
    is_wrapped: bool
    """Whether most of its text is; else only plain cases are joined."""
    is_unspaced: bool
    """Whether blank lines separate nothing smaller than chapters."""


def reflow(text: str) -> str:
    """Return a text with its paragraphs on one line each, a blank line between blocks."""
    return "\n\n".join(block.text for block in blocks(text))


def blocks(text: str) -> list[Block]:
    """Cut a plain text into paragraphs and blocks of lines, in order."""
    found = _once(text)
    for _ in range(_MAX_PASSES):
        again = _once("\n\n".join(block.text for block in found))
        if [block.text for block in again] == [block.text for block in found]:
            break
        found = again
    return found


def _once(text: str) -> list[Block]:
    groups = _groups(text.expandtabs(8).split("\n"))
    layout = _layout(groups)
    words: set[str] = set()
    if layout.width and any(_HYPHENATED.search(line) for group in groups for line in group[:-1]):
        words = set(_WORDS.findall(text.lower()))
    return [
        _block(lines, layout, words) for group in groups for lines in _paragraphs(group, layout)
    ]


def _groups(lines: Sequence[str]) -> list[list[str]]:
    """Cut lines at blank ones."""
    groups: list[list[str]] = []
    group: list[str] = []
    for line in lines:
        if line and not line.isspace():
            group.append(line.rstrip())
        elif group:
            groups.append(group)
            group = []
    if group:
        groups.append(group)
    return groups


def _layout(groups: Sequence[Sequence[str]]) -> _Layout:
    num_lines = sum(map(len, groups))
    lengths = [len(line) for group in groups for line in group]
    num_chars = sum(lengths)
    num_long = sum(length for length in lengths if length > _LONG_LINE_CHARS)
    is_unspaced = num_lines >= _UNSPACED_LINES * len(groups) and num_lines >= 2 * _UNSPACED_LINES
    is_wrapped = num_long <= _MAX_LONG_SHARE * num_chars
    # Lines that go on in the next: what stands alone says nothing of the width.
    inner = sorted(
        len(line) for group in groups for line in group[:-1] if len(line) <= _LONG_LINE_CHARS
    )
    if not inner:
        return _Layout(0, is_wrapped, is_unspaced and not is_wrapped)
    width = inner[min(len(inner) - 1, int(len(inner) * 0.97))]
    return _Layout(max(width, _MIN_WIDTH), is_wrapped, is_unspaced)


def _paragraphs(group: list[str], layout: _Layout) -> list[list[str]]:
    """Cut a block whose paragraphs are marked by an indent or end early, not by blank lines."""
    if len(group) < 2:
        return [group]
    if not layout.is_wrapped:
        return [[line] for line in group] if layout.is_unspaced else [group]
    if len(group) > 2 and (starts := _indented(group)):
        edges = [0, *starts, len(group)]
        return [group[a:b] for a, b in pairwise(edges) if a < b]
    if layout.is_unspaced and len(group) > 3 and _lower_share(group) >= 0.25:
        return _cut_early(group, layout.width)
    return [group]


def _indented(group: list[str]) -> list[int]:
    """Return the lines that begin paragraphs by their indent, in a block that is prose else."""
    indents = [_indent(line) for line in group]
    left = min(indents)
    starts = [n for n in range(1, len(group)) if left < indents[n] <= left + 8]
    if not starts or sum(1 for indent in indents if indent == left) < len(group) * 0.5:
        return []
    if len(starts) + sum(1 for indent in indents if indent == left) + 1 < len(group):
        return []
    # In prose the lines at the margin go on, and the indented ones begin.
    inside = [line for line, indent in zip(group[1:], indents[1:], strict=True) if indent == left]
    begins = [group[0], *(group[n] for n in starts)]
    is_prose = _lower_share([group[0], *inside]) >= 0.5 and _lower_share(begins) <= 0.2
    return starts if is_prose else []


def _cut_early(group: list[str], width: int) -> list[list[str]]:
    pieces, piece = [], [group[0]]
    for line, following in pairwise(group):
        room = width - len(line) - 1 - len(_first_word(following))
        is_start = following[:1] != " " or _indent(following) > _indent(line)
        ends = bool(_ENDING.search(line)) and not following.lstrip()[:1].islower()
        if (room > width * 0.2 or (room >= 0 and ends)) and is_start:
            pieces.append(piece)
            piece = []
        piece.append(following)
    return [*pieces, piece]


def _block(lines: list[str], layout: _Layout, words: set[str]) -> Block:
    if len(lines) == 1:
        return Block(
            _SPACES.sub(" ", lines[0].strip())
            if not _COLUMNS.search(lines[0].strip())
            else lines[0].strip()
        )
    if layout.width and is_prose(lines, layout.width, is_wrapped=layout.is_wrapped):
        return Block(join(lines, words))
    left = min(_indent(line) for line in lines)
    return Block("\n".join(line[left:] for line in lines), "lines")


def is_prose(lines: Sequence[str], width: int, *, is_wrapped: bool = True) -> bool:
    """Tell whether lines are one wrapped paragraph.

    Args:
        lines: at least two, none blank.
        width: that the file is wrapped to, in characters.
        is_wrapped: whether most of the file is wrapped.
    """
    if not is_wrapped and (len(lines) < 3 or max(map(len, lines)) > _LONG_LINE_CHARS):
        return False
    indents = [_indent(line) for line in lines[1:]]
    if max(indents) - min(indents) > 2 or abs(_indent(lines[0]) - indents[0]) > 12:
        return False
    breaks = len(lines) - 1
    if sum(1 for line in lines if "   " in line.strip()) * 3 > len(lines):
        return False
    if sum(1 for line in lines if _ITEM.match(line)) * 2 > len(lines):
        return False
    if len(lines) > 2 and sum(map(_ends_with_page, lines)) * 2 > len(lines):
        return False
    longest = max(map(len, lines[:-1]))
    lower = _lower_share(lines)
    if not is_wrapped:
        return (
            longest >= max(50, 0.8 * width)
            and lower >= 0.5
            and _free_share(lines, width - 8) <= 0.2
        )
    if longest >= 0.8 * width:
        free = _free_share(lines, width - max(2, width // 12))
        if breaks == 1:
            return free == 0 or lower == 1
        return (free <= 0.34 and lower >= 0.15) or (free <= 0.6 and lower >= 0.5)
    if breaks == 1:
        return False
    # Narrower than the file: a quotation set in, or verse.
    return (
        lower >= 0.5
        and _free_share(lines, max(map(len, lines)) - 2) <= 0.34
        and longest >= 0.5 * width
    )


def _ends_with_page(line: str) -> bool:
    return line[-1] in "0123456789ivxlc;." and bool(_PAGE_REFERENCE.search(line))


def _free_share(lines: Sequence[str], width: int) -> float:
    """Return the share of breaks before a word that would have fitted."""
    free = sum(1 for a, b in pairwise(lines) if len(a) + 1 + len(_first_word(b)) <= width)
    return free / (len(lines) - 1)


def _lower_share(lines: Sequence[str]) -> float:
    """Return the share of lines, behind the first, that begin in lower case (or have no case)."""
    num_lower = num_cased = 0
    for line in lines[1:]:
        if found := _FIRST_LETTER.search(line):
            letter = found[0]
            num_cased += 1
            num_lower += letter.islower() or not letter.isupper()
    return num_lower / num_cased if num_cased else 1.0


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _first_word(line: str) -> str:
    found = _FIRST_WORD.search(line)
    return found[0] if found else ""


def join(lines: Sequence[str], words: Set[str] = frozenset()) -> str:
    """Join the lines of a paragraph.

    Args:
        lines: none blank.
        words: of the book, in lower case: a word cut at a line's end loses its hyphen if it is
            among them without, and not with it.
    """
    lines = [line.strip() for line in lines]
    parts = [lines[0]]
    for line, following in pairwise(lines):
        if not line.endswith(("-", "—", "–")) and not following.startswith("--"):
            parts.append(" ")
        elif line.endswith("-") and (found := _LAST_WORD.search(line)) and not line.endswith("--"):
            after = _NEXT_WORD.match(following)
            whole = (found[0] + (after[0] if after else "")).lower()
            without = (found[0][:-1] + (after[0] if after else "")).lower()
            # Kept unless the book itself writes the word without: most were hyphenated before.
            if whole not in words and without in words:
                parts[-1] = parts[-1][:-1]
        elif line.endswith((" -", " –", " —")):
            parts.append(" ")
        parts.append(following)
    return _SPACES.sub(" ", "".join(parts))
