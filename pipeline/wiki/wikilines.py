"""The lines of an article, its templates and links resolved: sections, lists, quotes, debris."""

import html
import re

from pipeline.wiki.wikinames import SKIPPED_SECTIONS

# Literal characters (nowiki, a forced line break) travel through the line rules as private ones.
# Entities stay alive: they are decoded inside nowiki too.
_PROTECTED = "'[]{}|=*:<>~_-\n\t "
_BASE = 0x10FF00
_PROTECT = {ord(char): _BASE + ord(char) for char in _PROTECTED}
_PRIVATE = re.compile("[\U0010ff00-\U0010ff7f]")

_HEADING = re.compile(r"(={1,6})([^\n]+?)(={1,6})[ \t]*\Z")
_QUOTES = re.compile(r"'{2,}+")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_HEADER_ROW = re.compile(r"!\s*(?:scope|style|class|width|align|colspan|rowspan)\s*=|![^!]*!!")
_SWITCH = re.compile(r"__[A-Z]{3,}__|~{3,5}|\{\{[A-Z]+\}\}")
_INVISIBLE = re.compile(
    "[\u200e\u200f\u2060\ufeff\x00-\x08\x0b\x0c\x0e-\x1f\x7f\U0010ff00-\U0010ffff]"
)
_ODD_SPACE = re.compile("[\t\xa0\u2000-\u200a\u202f]")
_SPACES = re.compile(r" {2,}+")
_HAS_WORD = re.compile(r"\w")

HOLE = "\U0010fff0"
"""Stands where a template was dropped that would show something in a sentence."""
_HOLE_BRACKET = re.compile(
    rf" ?[(\[（](?:[^()\[\]A-Z0-9]{{0,24}}{HOLE}[^()\[\]\w]{{0,9}}"
    rf"|(?:[a-z]+ ){{0,2}}[$£€]?{HOLE}[^()\[\]A-Z0-9]{{0,40}})[)\]）]"
)
_DANGLING = (
    r"\b(?:at|in|of|from|to|by|with|on|near|about|for|since|until|around|approximately|nearly|over)"
)
_HOLE_PLACE = re.compile(rf"({_DANGLING})[ \xa0]{HOLE} ?,(?= [A-Z])", re.IGNORECASE)
_HOLE_END = re.compile(
    rf" (?:(?:{_DANGLING})[ \xa0])?(?:the )?{HOLE}(?= ?(?:[.;)]|, [a-z]))", re.IGNORECASE
)

# "-{zh-hans:软件; zh-hant:軟體}-": wikis of two scripts choose the reader's, we take the first.
_VARIANTS = re.compile(r"-\{(?:[A-Za-z;-]{0,12}\|)?([^{}]{0,500})\}-")
_BRACKET_ONLY = re.compile(r"\([^()]{1,12}\)\Z")  # of an item whose template was dropped
_ADDRESS_ONLY = re.compile(r"(?:https?://|www\.)\S+\Z")

# What a removed template or citation leaves behind.
_EMPTY_BRACKETS = re.compile(
    r" ?[(\[（][\s,;:/·•–—-]*+(?:(?:or|and|from)\b[\s,;:/·•–—-]*+)?[)\]）]"
)
_EMPTY_LABEL = re.compile(r" ?\([^()\n;,]{1,20}:\s*\)")  # "(IPA: )"
_OPEN_BRACKET = re.compile(r"([(（])[\s,;:·•]++")
_CLOSE_BRACKET = re.compile(r"(?<![\s,;:·•])[\s,;·•]++([)）])")
# Only comma and point: French sets a space before the others.
_BEFORE_STOP = re.compile(r"(?<![.\s]) ([,.](?=[\s\"'”’)\]]|\Z)|,(?=\w))")
_SPACED_STOPS = (" ,", " .")
_DOUBLE_STOP = re.compile(r"[,;]++(?=\.(?:\s|\Z))|(?<=[,;])[,;]++")
_DOUBLE_STOPS = (",,", ";;", ",;", ";,", ",.", ";.")
# A full stop before and one behind a citation; three are an ellipsis.
_TWO_POINTS = re.compile(r"(?<=\w\w)\.\.(?=\s|\Z)")
_EMPTY_PAIRS = ('""', "“”", "‘’", "«»")
_EMPTY_QUOTES = re.compile(r'(?<!\S)(?:""|“”|‘’|«»)(?!\S)')


def visible(text: str) -> str:
    """Remove characters without a shape, and those that `protect` uses."""
    return _INVISIBLE.sub("", text)


def protect(text: str) -> str:
    """Hide characters from the line rules; `text_of_lines` brings them back."""
    return text.translate(_PROTECT)


def text_of_lines(lines: str) -> tuple[str, int]:
    """Turn lines of wikitext without structure into paragraphs.

    Returns:
        The text, and how many UTF-8 bytes of lines were dropped with their section.
    """
    paragraphs: list[str] = []
    pending: list[tuple[int, str]] = []  # headings that wait for content
    open_lines: list[str] = []  # of the paragraph or list being gathered
    in_list = False
    skipped_level = 0
    num_skipped = 0

    def close() -> None:
        if open_lines:
            paragraphs.append(("\n" if in_list else " ").join(open_lines))
            open_lines.clear()

    for raw in lines.split("\n"):
        line = raw.strip()
        if line.startswith("=") and (found := _HEADING.match(line)):
            level = min(len(found.group(1)), len(found.group(3)))
            heading = clean_line(found.group(2).strip("= "))
            if skipped_level and level > skipped_level:
                num_skipped += num_bytes(raw) + 1
                continue
            skipped_level = 0
            close()
            while pending and pending[-1][0] >= level:
                pending.pop()
            if heading.casefold().rstrip(".:") in SKIPPED_SECTIONS:
                skipped_level = level
                num_skipped += num_bytes(raw) + 1
            elif heading:
                pending.append((level, heading))
            continue
        if skipped_level:
            num_skipped += num_bytes(raw) + 1
            continue
        if not line:
            close()
            continue
        is_item = line[0] in "*#:;"
        content = line.lstrip("*#:; ") if is_item else line
        # A row of a table that a template opened; "!Kung" and "!" alone may be prose.
        if content.startswith(("|", "{|")) or _HEADER_ROW.match(content):
            continue
        if content.startswith("----"):
            content = content.lstrip("-")
        content = clean_line(content)
        if not _HAS_WORD.search(content) or _ADDRESS_ONLY.match(content):
            continue
        if is_item and _BRACKET_ONLY.match(content):
            continue
        if is_item != in_list:
            close()
        in_list = is_item
        if pending:
            paragraphs += [heading for _, heading in pending]
            pending.clear()
        open_lines.append(content)
    close()
    text = _PRIVATE.sub(lambda found: chr(ord(found.group()) - _BASE), "\n\n".join(paragraphs))
    return _tidy_breaks(text), num_skipped


def clean_line(line: str) -> str:
    """Remove the markup inside a line, and repair what removed constructs left behind."""
    if HOLE in line:
        line = close_holes(line)
    if "''" in line:
        line = _QUOTES.sub(_apostrophes, line)
    if "-{" in line:
        line = _VARIANTS.sub(_first_variant, line)
    if "_" in line or "~" in line or "{" in line:
        line = _SWITCH.sub("", line)
    if "&" in line:
        line = _ENTITY.sub(_character, line)
    return repair(line if line.isascii() and "\t" not in line else _ODD_SPACE.sub(" ", line))


def close_holes(line: str) -> str:
    """Mend a sentence around what is missing: "At , Alabama" is "At Alabama", "of ." is "."."""
    line = _HOLE_BRACKET.sub("", line)
    line = _HOLE_PLACE.sub(r"\1", line)
    line = _HOLE_END.sub("", line)
    return line.replace(HOLE, "")


def repair(line: str) -> str:
    """Mend the holes of a line: "At , Alabama", "( , )", doubled spaces."""
    # One repair can uncover the next; real lines need two rounds at most.
    for _ in range(8):
        repaired = _repair_once(line)
        if repaired == line:
            break
        line = repaired
    return line


def _repair_once(line: str) -> str:
    # The tests for what is rare come first: each is many times faster than its regex.
    if "  " in line:
        line = _SPACES.sub(" ", line)
    if "(" in line or "[" in line or "（" in line:
        line = _EMPTY_BRACKETS.sub("", line)
        if ":)" in line or ": )" in line:
            line = _EMPTY_LABEL.sub("", line)
        line = _OPEN_BRACKET.sub(r"\1", line)
        line = _CLOSE_BRACKET.sub(r"\1", line)
    if any(stop in line for stop in _SPACED_STOPS):
        line = _BEFORE_STOP.sub(r"\1", line)
    if any(stops in line for stops in _DOUBLE_STOPS):
        line = _DOUBLE_STOP.sub("", line)
    if ".." in line:
        line = _TWO_POINTS.sub(".", line)
    if any(quotes in line for quotes in _EMPTY_PAIRS):
        line = _SPACES.sub(" ", _EMPTY_QUOTES.sub("", line))
    line = line.strip()
    return line.lstrip(",; ") if line[:1] in (",", ";") else line


def _apostrophes(found: re.Match[str]) -> str:
    """Two are italic, three bold, five both; of four, and of more than five, some are letters.

    Four or six that stand alone are the marks around a dropped template: "''{{AIA}}'' (UK)".
    """
    length = len(found.group())
    if length in (4, 6):
        # One character on each side: a slice of all that lies before would cost quadratic time.
        start, end = found.span()
        around = found.string[max(0, start - 1) : start] + found.string[end : end + 1]
        if not around.strip():
            return ""
    return "'" * (1 if length == 4 else max(0, length - 5))


def _first_variant(found: re.Match[str]) -> str:
    first = found[1].partition(";")[0]
    code, colon, text = first.partition(":")
    return text.strip() if colon and code.strip().replace("-", "").isascii() else found[1]


def _character(found: re.Match[str]) -> str:
    return html.unescape(found.group())


def _tidy_breaks(text: str) -> str:
    """Forced breaks may stand anywhere: strip each line, and keep one blank line at most."""
    lines = [line.strip() for line in text.split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def num_sentences(text: str) -> int:
    """Count sentence ends, roughly and fast: for rates, not for cutting."""
    ends = sum(map(text.count, (". ", ".\n", "? ", "! ", "。")))
    return ends + text.endswith((".", "?", "!"))


def num_bytes(text: str) -> int:
    """Return the size of a text in UTF-8; a surrogate alone, which has none, counts three."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
