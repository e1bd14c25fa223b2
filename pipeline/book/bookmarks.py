"""What transcribers of printed books write into plain text: tags, page numbers, note marks, type.

Everything here works on a whole text at once. Removed text is counted by kind in the Book.
"""

import re
from itertools import pairwise

from pipeline.book.bookblocks import Book

_GONE = _PAGE_BREAK = "\0"
"""Stands for what was taken out between two steps; no text holds it."""
_INSIDE = r"(?:[^\[\]]|\[[^\[\]]{0,400}\]){0,3000}"
_ILLUSTRATION = re.compile(
    r"\[(?:illustrations?|illos?|frontispiece|vignette|plate|map|music|musique|decoration|image"
    r"|ornament|abbildung|afbeelding|illustratie|figure|photo(?:graph)?|portrait|drawing|diagram"
    rf"|handwriting)\b(?=[\s:.,;\]])(?!'){_INSIDE}\]",
    re.IGNORECASE,
)
_NOTE = re.compile(
    r"\[(?:transcriber|e-?text editor|proofreader|tr\.|redactor)s?['’]?s?\s+(?:note|comment)"
    rf"{_INSIDE}\]",
    re.IGNORECASE,
)
_PAGE = re.compile(
    r"[\[{](?:pg|page|p\.|pag\.?|pág\.?|seite|s\.|blz\.?)\s*[0-9ivxlc]{1,6}[a-z]?[\]}]\n?",
    re.IGNORECASE,
)
_BRACED_NUMBER = re.compile(r"\{([0-9]{1,4}[a-z]?)\}")
_NUMBER_LINE = re.compile(
    r"^[ \t]*+[-–—\[(]?+[ \t]*+(?P<number>[0-9]{1,4})[ \t]*+[-–—\])]?+[ \t]*+$", re.MULTILINE
)
_HEAD_LINE = re.compile(
    r"(?P<left>[0-9]{1,4})\s+(?P<after>\D{3,60})|(?P<before>\D{3,60}?)\s+(?P<right>[0-9]{1,4})"
)
_COUNTED = re.compile(
    r"\W*(?:chapter|chap|book|part|letter|canto|act|scene|section|no|stave|sonnet|psalm|hymn|fable"
    r"|chapitre|livre|partie|lettre|kapitel|buch|teil|hoofdstuk|cap[ií]tulo|capitolo)\W*",
    re.IGNORECASE,
)
_ORNAMENT = re.compile(r"^[ \t]*+(?:[*·•~=_#+—–-][ \t]*+){3,200}+$", re.MULTILINE)
_NOTE_BODY = re.compile(
    r"^[ \t]*(?:\[(?:footnote|note|fussnote|fußnote|voetnoot)\s+(?P<long>[0-9A-Za-z*†‡]{1,4})\s*:"
    r"|(?P<open>[\[{])(?P<short>[0-9]{1,4}|[A-Z]|\*{1,3}|†|‡)[\]}](?=[ \t]))[ \t]*",
    re.MULTILINE | re.IGNORECASE,
)
_NOTE_ANCHOR = re.compile(r"[\[{](?:(?<=\S.)|(?<=\S .))([0-9]{1,4}|[A-Z]|\*{1,3}|†|‡)[\]}]")
# Each begins with its mark, which the regex engine looks for many times faster than for a context.
_EMPHASIS = {
    "_": re.compile(r"_(?<![\w_]_)(?=[^\s_])((?:[^_\n]|\n(?![ \t]*\n)){1,2000}?)(?<=\S)_(?![\w_])"),
    "=": re.compile(r"=(?<![\w=]=)(?=[^\s=])((?:[^=\n]|\n(?![ \t]*\n)){1,300}?)(?<=\S)=(?![\w=])"),
    "~": re.compile(r"~(?<![\w~]~)(?=[^\s~])((?:[^~\n]|\n(?![ \t]*\n)){1,300}?)(?<=\S)~(?![\w~])"),
}
_STRAY = re.compile(r"_(?:(?<![\w_]_)(?=\w)|(?<=[\w.,;:!?'\"”’)]_)(?![\w_]))")
_SUPERSCRIPT = re.compile(r"(?<=\w)\^\{([^{}\n]{1,12})\}")
_MIN_MARKS = {"_": 1, "=": 3, "~": 5}
_MIN_NUMBERS = 5
_MIN_HEADS = 4
_MAX_CHAPTERS = 160


def clear(text: str, book: Book) -> str:
    """Take transcribers' tags, page numbers, note marks and type marks out of a plain text."""
    if "[" in text:
        book.captions += [
            clear_type(found[0].partition(":")[2].strip(" ]"))
            for found in _ILLUSTRATION.finditer(text)
        ]
        text = _cut(_ILLUSTRATION, text, book, "illustrations")
        text = _cut(_NOTE, text, book, "notes")
    if "[" in text or "{" in text:
        text = _cut(_PAGE, text, book, "page_numbers")
        text = _clear_notes(text, book)
    text = _clear_page_lines(text, book)
    text = _cut(_ORNAMENT, text, book, "ornaments", "\n")
    return clear_type(text)


def clear_type(text: str) -> str:
    """Take the marks of italics and bold off: _so_, =so= and, where there are many, ~so~."""
    for mark, pattern in _EMPHASIS.items():
        if text.count(mark) < 2 * _MIN_MARKS[mark]:
            continue
        unmarked, num_found = pattern.subn(r"\1", text)
        if num_found >= _MIN_MARKS[mark]:
            text = unmarked
        # Emphasis that runs over paragraphs leaves a mark at either end.
        if mark == "_" and num_found >= _MIN_NUMBERS:
            text = _STRAY.sub("", text)
    if "^{" in text:
        text = _SUPERSCRIPT.sub(r"\1", text)
    return text


def _cut(pattern: re.Pattern[str], text: str, book: Book, kind: str, instead: str = "") -> str:
    def count(match: re.Match[str]) -> str:
        book.drop(kind, match[0])
        return instead

    return pattern.sub(count, text)


def _clear_notes(text: str, book: Book) -> str:
    """Take off the marks of notes whose text stands in the same file, and its label there."""
    labels: set[str] = set()
    closing: list[int] = []

    def unlabel(match: re.Match[str]) -> str:
        labels.add((match["long"] or match["short"]).upper())
        if match["long"]:
            closing.append(match.start())
        book.drop("note_marks", match[0])
        return ""

    bodies = list(_NOTE_BODY.finditer(text))
    braced = [int(re.sub(r"\D", "", m)) for m in _BRACED_NUMBER.findall(text)]
    if (
        len(braced) >= _MIN_NUMBERS
        and _is_rising(braced)
        and not any(m["open"] == "{" for m in bodies)
    ):
        text = _close(_cut(_BRACED_NUMBER, text, book, "page_numbers", _GONE))
    if not bodies:
        return text
    text = _close_long_notes(text) if any(body["long"] for body in bodies) else text
    text = _NOTE_BODY.sub(unlabel, text)

    def unmark(match: re.Match[str]) -> str:
        if match[1].upper() not in labels:
            return match[0]
        book.drop("note_marks", match[0])
        return _GONE

    return _close(_NOTE_ANCHOR.sub(unmark, text))


def _close(text: str) -> str:
    """Take out the places of marks, each with the space before it."""
    return text.replace(f" {_GONE}", "").replace(_GONE, "")


_LONG_NOTE = re.compile(
    r"^([ \t]*\[(?:footnote|note|fussnote|fußnote|voetnoot)\s+[0-9A-Za-z*†‡]{1,4}\s*:"
    rf"{_INSIDE})\]",
    re.MULTILINE | re.IGNORECASE,
)


def _close_long_notes(text: str) -> str:
    """Take off the bracket that ends "[Footnote 1: text]"."""
    return _LONG_NOTE.sub(r"\1", text)


def _is_rising(numbers: list[int]) -> bool:
    """Tell whether most numbers go up by a little, as pages do."""
    steps = sum(1 for a, b in pairwise(numbers) if 0 < b - a <= 10)
    return steps * 4 >= 3 * max(1, len(numbers) - 1)


def _clear_page_lines(text: str, book: Book) -> str:
    """Take out lines that are page numbers or running heads, where there is a series of them."""
    numbers = [int(match["number"]) for match in _NUMBER_LINE.finditer(text)]
    if len(numbers) >= _MIN_NUMBERS and _is_rising(numbers) and not _are_chapters(numbers):
        text = _cut(_NUMBER_LINE, text, book, "page_numbers", _PAGE_BREAK)
    text = _clear_running_heads(text, book)
    if _PAGE_BREAK in text:
        # A sentence that goes on behind the page break is one paragraph.
        text = re.sub(
            rf"(?<=[\w,;-])\s*{_PAGE_BREAK}(?:\s|{_PAGE_BREAK})*\n[ \t]*(?=[a-z])", "\n", text
        )
        text = text.replace(_PAGE_BREAK, "")
    return text


def _clear_running_heads(text: str, book: Book) -> str:
    """Take out lines such as "12 THE TITLE" that come again with rising numbers."""
    heads: dict[str, list[tuple[int, int]]] = {}
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if not (line[-1:].isdigit() or line[:1].isdigit()) or len(line) > 80:
            continue
        if found := _HEAD_LINE.fullmatch(line.strip()):
            head = (found["after"] or found["before"]).strip()
            if _COUNTED.fullmatch(head):
                continue
            heads.setdefault(head, []).append((number, int(found["left"] or found["right"])))
    for places in heads.values():
        pages = [page for _, page in places]
        if len(pages) >= _MIN_HEADS and _is_spread(pages) and not _are_chapters(pages):
            for number, _ in places:
                book.drop("page_numbers", lines[number])
                lines[number] = _PAGE_BREAK
    return "\n".join(lines)


def _are_chapters(numbers: list[int]) -> bool:
    """Tell whether numbers count chapters or poems: one by one from the first, not hundreds.

    Or sections, which are counted anew in each chapter.
    """
    return numbers.count(1) > 1 or (
        len(numbers) <= _MAX_CHAPTERS and numbers == list(range(1, len(numbers) + 1))
    )


def _is_spread(pages: list[int]) -> bool:
    return all(a < b for a, b in pairwise(pages)) and pages[-1] - pages[0] >= len(pages) - 1
