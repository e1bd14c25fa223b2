"""Project Gutenberg's header, footer and licence, and what its volunteers wrote around a book.

Works on lines, whatever they were cut from; a heading or a rule in markup counts as a wide gap.
The forms since 1991: the "small print" of the early texts, START and END lines in several
wordings and languages, notices inside collections, credits and transcribers' notes.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.book.bookblocks import language_code, year


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What of a file's lines is not the book."""

    spans: list[tuple[int, int, str]]
    """(first line, line behind the last, kind), in order, without overlap."""
    facts: dict[str, str] = field(default_factory=dict)
    """title, author, date, language, encoding, where the header names them."""


_START = re.compile(
    r"""\W*(?:
      \*{2,}\s*(?:START|BEGIN(?:NING)?|ANFANG|BEGINN|D[ÉE]BUT|COMIENZO|INIZIO)\b.{0,40}
        PROJE[CK]T\s+GUTENBERG
    | \*?\s*END\s*\*?\s*(?:OF\s+)?THE\s+SMALL\s+PRINT
    | \*{2,}\s*THESE\s+E-?TEXTS\s+(?:ARE|WERE)\s+PREPARED\s+BY
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_END = re.compile(
    r"""\W*(?:
      \*{2,}\s*(?:END|ENDE|FIN|EINDE|FINE)\b.{0,60}PROJE[CK]T\s+GUTENBERG
    | (?:This\s+is\s+)?(?:the\s+)?end\s+of\s+(?:th(?:e|is)\s+)?(?:copyrighted\s+)?
        Project\s+Gutenberg
    | (?:Ende|Fin|Einde|Fine)\s+.{0,60}Proje[ck]t\s+Gutenberg
    | \*{2,}\s*This\s+file\s+should\s+be\s+named
    | \*{3}\s*START:\s+FULL\s+LICENSE
    | Updated\s+editions\s+will\s+replace\s+the\s+previous\s+one
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_SMALL_PRINT = re.compile(r"\W*\*{2,}\s*START\s*\**\s*THE\s+SMALL\s+PRINT", re.IGNORECASE)
_HEADER = re.compile(
    r"""\W*(?:(?:the\s+)?proje[ck]t\s+gutenberg(?:'s|’s)?\s*(?:,|e-?book|e-?text|edition|presents)
    |this\s+e-?(?:book|text)\s+is\s+for\s+the\s+use\s+of\s+anyone\s+anywhere)""",
    re.IGNORECASE | re.VERBOSE,
)
_TITLE_LINE = re.compile(
    r"""\W*(?:the\s+)?proje[ck]t\s+gutenberg(?:'s|’s)?\s*
    (?:,|(?:e-?book|e-?text|edition|presentation|release)s?(?:\s+of|,|:)?)?\s*
    (?P<title>.{2,200}?)(?:,?\s+\(?by\s+(?P<author>[^#\[(]{3,80}))?\s*(?:[#\[(].*)?$""",
    re.IGNORECASE | re.VERBOSE,
)
_FACT = re.compile(
    r"(title|author|language|original publication|character set encoding):\s*(\S.*)", re.IGNORECASE
)
_NOTICE_BEGIN = re.compile(r"\s*<<\s*THIS ELECTRONIC VERSION", re.IGNORECASE)
_HEADER_LINES = 800
"""A header, small print included, is not longer."""
_NOTICE_LINES = 30
_LINE_CHARS = 200
"""Markers are short; a hostile line is not."""
_FACT_CHARS = 1000

_CREDIT = re.compile(
    r"""\W*(?:
      credits\s*: | note:\s+(?:project\s+gutenberg|images\s+of) | images\s+of\s+the\s+original
    | (?:this\s+|the\s+)?(?:e-?text|e-?book|html|file|electronic\s+(?:text|edition|version)
        |digital\s+edition|text|book|document|livre\s+électronique|dieses\s+e-?(?:text|book))?
        [^.]{0,60}\b(?:was|is|were|been|first)?\s*
        \b(?:produced|prepared|scanned|transcribed|created|typed|entered|proof-?read|digiti[sz]ed
        |converted|contributed|produit|préparé|présenté|numérisé|erstellt|gescannt|geproduceerd)
        \b[^.]{0,60}\b(?:by|from|par|von|door)\b
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_CREDIT_ANYWHERE = re.compile(
    r"distributed\s+proofread|pgdp\.net|\be-?text\b|html\s+version|images\s+generously|@\w+\.\w+",
    re.IGNORECASE,
)
_NOTE = re.compile(
    r"""\W*(?:(?:transcri(?:ber|ption|ptor)|e-?text\s+(?:editor|transcriber)|proofreader|redactor)
      s?['’]?s?['’]?\s+(?:end\s?)?(?:notes?|remarks?|comments?)\b
    | notes?\s+(?:of|by|from|to)\s+the\s+(?:transcriber|e-?text|html|electronic)
    | notes?\s+(?:du|des|de|sur\s+la)\s+transcri
    | (?:an|be)merkungen?\s+(?:zur|des|der)\s+transkri | hinweise?\s+zur\s+transkri
    | (?:anmerkung|notiz)en?\s+des\s+bearbeiters | opmerkingen?\s+van\s+de\s+bewerker
    | notas?\s+(?:del?|do|da)\s+transcri | not[ae]\s+(?:del|di)\s+trascri
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_NOTE_WORDS = re.compile(
    r"""(typo(?:s\b|graphical\s+error)|printers?['’]?s?\s+error|misprint|erreurs?\s+typograph
        |druckfehler|drukfouten|erratas?\b|spelling)
    | (italics?\b|italiques?|kursiv|gesperrt|cursief|underscor|bold\s+(?:text|type))
    | (inconsisten|hyphenat|have\s+been\s+(?:retained|corrected|preserved|moved|added)
        |(?:was|were)\s+(?:retained|corrected|preserved)|ont\s+été\s+corrig|wurden\s+.{0,30}korrig)
    | (this\s+e-?(?:text|book)|html\s+version|text\s+version|livre\s+électronique|ascii
        |dieses\s+e-?book|in\s+the\s+html)
    | (original\s+(?:text|book|edition|publication)|l['’]original|im\s+original)""",
    re.IGNORECASE | re.VERBOSE,
)
_NOTE_HEADING = re.compile(r"\W*(?:au lecteur|notes?|remarques?|hinweis\w*|corrections)\W*", re.I)
_BOOK_HEADING = re.compile(
    r"\W*(?:foot)?notes?\b\W*$|\W*(?:index|appendix|appendices|chapter|glossary|bibliography)\b",
    re.IGNORECASE,
)
_EDGE_PARAGRAPHS = 30
_CREDIT_PARAGRAPHS = 12
_HEAD_LINES = 200
_TAIL_LINES = 600
_MIN_TAIL_LINES = 60
_WIDE_GAP = 3
_SECTION_CHARS = 1500


def find(lines: Sequence[str]) -> Found:
    """Find what is not the book in a file's lines; nothing in a file of another origin."""
    head = min(len(lines), _HEADER_LINES)
    is_named = any(_HEADER.match(line[:_LINE_CHARS]) for line in lines[:60])
    starts = [n for n in range(head) if "*" in lines[n] and _START.match(lines[n][:_LINE_CHARS])]
    ends = [n for n, line in enumerate(lines) if _may_end(line) and _END.match(line[:_LINE_CHARS])]
    if not (starts or ends or is_named):
        return Found(spans=[])
    # The last marker of the first header: the early ones were followed by "small print".
    starts = [n for n in starts if n <= min((end for end in ends if end > starts[0]), default=n)]
    begin = _behind(lines, starts[-1]) if starts else _header_end(lines, is_named=is_named)
    prints = [
        n
        for n, line in enumerate(lines)
        if "***" in line and _SMALL_PRINT.match(line[:_LINE_CHARS])
    ]
    kept = _regions(lines, begin, sorted(ends + prints))
    spans: list[tuple[int, int, str]] = []
    at = 0
    for first, last in kept:
        spans.append((at, first, "gutenberg"))
        spans.extend(_notices(lines, first, last))
        spans.extend(_edges(lines, first, last))
        at = last
    spans.append((at, len(lines), "gutenberg"))
    return Found(spans=_merged(spans), facts=_facts(lines[: max(begin, 1)]))


def _may_end(line: str) -> bool:
    """Spare most lines the regex."""
    return "utenberg" in line or "UTENBERG" in line or "***" in line or "Updated edition" in line


def _behind(lines: Sequence[str], at: int) -> int:
    """Return the line behind a marker, which may run over several lines up to its stars."""
    for n in range(at, min(at + 6, len(lines))):
        text = lines[n].rstrip()
        if text.endswith("*") and (n > at or text.count("*") > 3):
            return n + 1
        if not text:
            return n
    return at + 1


def _header_end(lines: Sequence[str], *, is_named: bool) -> int:
    """Return where a header without a START line ends: behind its last fact."""
    if not is_named:
        return 0
    end = 0
    for n, line in enumerate(lines[:120]):
        if _HEADER.match(line[:_LINE_CHARS]) or (
            end and n <= end + 6 and _FACT.match(line[:_FACT_CHARS])
        ):
            end = n + 1
            while end < len(lines) and lines[end].strip():
                end += 1
    return end


def _regions(lines: Sequence[str], begin: int, ends: list[int]) -> list[tuple[int, int]]:
    """Return the kept ranges of lines: several where whole files were put behind each other."""
    regions, at = [], begin
    while at < len(lines):
        end = next((n for n in ends if n >= at), len(lines))
        regions.append((at, end))
        at = len(lines)
        for n in range(end, len(lines)):
            if (
                "*" in lines[n]
                and _START.match(lines[n][:_LINE_CHARS])
                and not _END.match(lines[n][:_LINE_CHARS])
            ):
                at = _behind(lines, n)
                break
    return regions


def _notices(lines: Sequence[str], first: int, last: int) -> list[tuple[int, int, str]]:
    """Find notices in double angle brackets, which stand between the works of a collection."""
    spans = []
    for n in range(first, last):
        if lines[n].lstrip().startswith("<<") and _NOTICE_BEGIN.match(lines[n][:_LINE_CHARS]):
            for end in range(n, min(n + _NOTICE_LINES, last)):
                if ">>" in lines[end]:
                    spans.append((n, end + 1, "gutenberg"))
                    break
    return spans


@dataclass(frozen=True, slots=True)
class _Paragraph:
    first: int
    last: int
    text: str
    gap: int
    """Blank lines before it."""


def _paragraphs(lines: Sequence[str], first: int, last: int) -> list[_Paragraph]:
    found, begin, gap = [], -1, _WIDE_GAP
    for n in range(first, last + 1):
        is_blank = n == last or not lines[n].strip()
        if not is_blank and begin < 0:
            begin = n
        elif is_blank and begin >= 0:
            text = " ".join(line.strip() for line in lines[begin:n])
            found.append(_Paragraph(begin, n, text, gap))
            begin, gap = -1, 1
        elif is_blank:
            gap += 1
    return found


def _edges(lines: Sequence[str], first: int, last: int) -> list[tuple[int, int, str]]:
    """Find credits and transcribers' notes at the beginning and the end of a book."""
    half = (last - first) // 2
    tail_lines = min(half, _TAIL_LINES, max(_MIN_TAIL_LINES, (last - first) // 10))
    head = _paragraphs(lines, first, first + min(half, _HEAD_LINES))[:_EDGE_PARAGRAPHS]
    spans = []
    number = 0
    while number < len(head):
        upto, kind = _edge_run(head, number)
        if kind:
            spans.append((head[number].first, head[upto - 1].last, kind))
        number = max(upto, number + 1)
    tail_first = max(first, last - tail_lines, *(span[1] for span in spans), 0)
    tail = _paragraphs(lines, tail_first, last)
    for number, paragraph in enumerate(tail):
        if _is_note(tail, number):
            spans.extend(_note_to_end(tail, number))
            break
        if number >= len(tail) - 4 and _is_credit(paragraph.text):
            spans.append((paragraph.first, paragraph.last, "notes"))
    return spans


def _edge_run(head: list[_Paragraph], number: int) -> tuple[int, str]:
    """Return behind which paragraph a credit or a note that begins here ends, and its kind."""
    if not _is_note(head, number):
        is_credit = number < _CREDIT_PARAGRAPHS and _is_credit(head[number].text)
        return (number + 1, "notes") if is_credit else (number, "")
    # A short section that begins with a note is one; else the note goes on as long as its section
    # holds another paragraph that speaks like one.
    upto = number + 1
    for n in range(number + 1, min(number + 7, len(head))):
        if head[n].gap >= _WIDE_GAP:
            size = sum(len(paragraph.text) for paragraph in head[number:n])
            if head[number].gap >= _WIDE_GAP and size < _SECTION_CHARS:
                return n, "notes"
            break
    for n in range(number + 1, min(number + 12, len(head))):
        if head[n].gap >= _WIDE_GAP:
            break
        if _score(head[n].text) >= 1 and len(head[n].text) < 1500:
            upto = n + 1
    return upto, "notes"


def _is_credit(text: str) -> bool:
    if len(text) > 900:
        return False
    return bool(_CREDIT.match(text)) or (len(text) < 400 and bool(_CREDIT_ANYWHERE.search(text)))


def _is_note(paragraphs: list[_Paragraph], number: int) -> bool:
    text = paragraphs[number].text
    if _NOTE.match(text[:_LINE_CHARS]):
        return True
    if len(text) < _LINE_CHARS and _NOTE_HEADING.fullmatch(text) and number + 1 < len(paragraphs):
        return _score(paragraphs[number + 1].text) >= 2
    return _score(text) >= 3


def _score(text: str) -> int:
    """Count the topics of a transcriber's note that a paragraph touches, of five."""
    if len(text) > 1500:
        return 0
    return len({match.lastindex for match in _NOTE_WORDS.finditer(text)})


def _note_to_end(tail: list[_Paragraph], number: int) -> list[tuple[int, int, str]]:
    """A note at the end runs to the end, unless another part of the book follows it."""
    last = tail[-1].last
    for paragraph in tail[number + 1 :]:
        if paragraph.gap >= _WIDE_GAP and _BOOK_HEADING.match(paragraph.text[:_LINE_CHARS]):
            last = paragraph.first
            break
    return [(tail[number].first, last, "notes")]


def _merged(spans: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Order spans, and cut off what an earlier one holds already."""
    merged, at = [], 0
    for first, last, kind in sorted(spans):
        if max(first, at) < last:
            merged.append((max(first, at), last, kind))
            at = last
    return merged


def _facts(header: Sequence[str]) -> dict[str, str]:
    """Read title, author, language, year and encoding from a header's lines."""
    facts: dict[str, str] = {}
    names = {"original publication": "date", "character set encoding": "encoding"}
    for n, line in enumerate(header):
        if not (found := _FACT.match(line.strip()[:_FACT_CHARS])):
            continue
        value = found[2]
        for more in header[n + 1 : n + 6]:
            if not more.startswith("   ") or _FACT.match(more.strip()):
                break
            value += " " + more.strip()
        facts.setdefault(names.get(found[1].lower(), found[1].lower()), value.strip())
    if "title" not in facts:
        text = " ".join(line.strip() for line in header[:4])
        if found := _TITLE_LINE.match(text.split("  ")[0][:_FACT_CHARS]):
            facts["title"] = found["title"]
            facts.setdefault("author", (found["author"] or "").strip())
    facts["language"] = language_code(facts.get("language", ""))
    facts["date"] = year(facts.get("date", ""))
    return facts
