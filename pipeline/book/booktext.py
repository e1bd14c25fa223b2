"""From a book's blocks to its text: title pages, tables of contents and indexes go."""

import re

from pipeline.book.bookblocks import Block, Book, year

_CONTENTS = re.compile(
    r"\W*(?:(?:table\s+of\s+)?contents?(?:\s+of\s+.{1,40})?|(?:list\s+of\s+)?illustrations"
    r"|list\s+of\s+(?:plates|figures|maps|tables)|table\s+des\s+mati[èe]res|table\s+des\s+gravures"
    r"|sommaire|inhalt(?:sverzeichnis|sübersicht)?|verzeichnis\s+der\s+.{1,30}|inhoud(?:sopgave)?"
    r"|[ií]ndice(?:\s+general)?|indice\s+dei\s+capitoli|sisällys(?:luettelo)?|innehåll|indhold)\W*",
    re.IGNORECASE,
)
_INDEX = re.compile(
    r"\W*(?:(?:general|analytical)\s+)?(?:index|register|alphabetical\s+index)\b.{0,60}", re.I
)
_NUMBERED = re.compile(
    r"\W*(?:(?:chapter|chap\.?|book|part|letter|canto|act|scene|section|no\.?|stave|volume|vol\.?"
    r"|chapitre|livre|partie|kapitel|buch|teil|hoofdstuk|cap[ií]tulo|capitolo)\s+(?:the\s+)?"
    r"(?:[ivxlcdm]{1,7}|[0-9]{1,3}|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
    r"|first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|last)(?:[.:)\s—-]|$)"
    r"|(?:[ivxlcdm]{1,7}|[0-9]{1,3})(?:\.|:|\)|\s*[—-]|$))",
    re.IGNORECASE,
)
_PAGE_END = re.compile(r"[\s.,·]++(?:\(?+(?:[0-9]++|[ivxlc]++)[-–,;.\s)]*+)++$")
_REFERENCE = re.compile(
    r"\s(?:[0-9]{1,4}|[ivxlc]{1,7})[,;.\s]*(?:\(\w\)|_?n\._?)?[;,.]?\s*$|\bsee\b", re.I
)
_BODY = re.compile(
    r"\W*(?:chapter|preface|pr[ée]face|introduction|foreword|prologue?|proem|book|part|act|canto"
    r"|chapitre|kapitel|vorwort|einleitung|voorwoord|hoofdstuk|author['’]s|advertisement"
    r"|preliminary|[ivxlc]{1,6}\W*$|1\W*$)\b",
    re.IGNORECASE,
)
_IMPRINT = re.compile(
    r"""copyright|©|all\s+rights\s+reserved|\bpublish|\bprinted\s+(?:in|by|and|at)\b|\bpress\b
    |\b(?:first|second|third|new|revised|tenth|\w+th)\s+(?:edition|impression|printing)\b
    |\bedition\b.{0,60}\b1[5-9]\d\d|\breprinted\b|\bauthor\s+of\b|&\s+co(?:mpany)?\b|\band\s+co\b
    |\b(?:london|new\s+york|boston|philadelphia|paris|leipzig|edinburgh|berlin|amsterdam)\s*[:.]
    |\billustrat(?:ed|ions)\s+by\b|\bwith\s+(?:\w+\s+){0,3}illustrations\b|\bimprimerie\b
    |\bfrontispiece\b|\blibrairie\b|\bverlag\b|\bfirst\s+(?:printed|published|issued)\b
    |\A\W*(?:london|new\s+york|boston|philadelphia|paris|leipzig|edinburgh|berlin)\b[^.!?]{0,80}\Z
    |(?:\A|\n)\W*(?:london|new\s+york|boston|philadelphia|paris|leipzig|berlin)\W*(?:\n|\Z)""",
    re.IGNORECASE | re.VERBOSE,
)
_BY = re.compile(r"\W*(?:by|par|von|door|por|di)\b", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?…][\"'”’»)\]]*\s*$")
_ENDS_WITH_PAGE = re.compile(r"(?:\s|\.{2,})\(?(?:[0-9]{1,4}|[ivxlc]{1,7})\W*$")
_COLUMN_HEADING = re.compile(
    r"\W*(?:chap(?:ter|\.)?|page|p\.|seite|no\.|\s|[.:])+\W*", re.IGNORECASE
)
_FIRST_NUMBER = re.compile(
    r"\W*(?:(?:chapter|chap\.?|book|part|letter|canto|act|scene|stave|volume|vol\.?|chapitre|livre"
    r"|partie|kapitel|buch|teil|hoofdstuk|cap[ií]tulo|capitolo)\s+)?(?:the\s+)?"
    r"(?:i|1|one|first|1er|premier|première|erstes|eerste|primero|primo)\W*",
    re.IGNORECASE,
)
_MAX_HEADING_CHARS = 90
_MAX_CONTENTS_CHARS = 60_000
_MAX_TABLES = 12
"""More headings "Contents" and "Index" than that are not looked at."""
_MAX_SUMMARY_CHARS = 1000
_FRONT_BLOCKS = 60
_FRONT_CHARS = 6000
_MAX_ENTRY_CHARS = 160
_MAX_CONTENTS_SHARE = 0.15
_BODY_WORDS = 45


def text(book: Book) -> str:
    """Return the text of a book: its blocks without front matter, contents and index."""
    blocks = [block for block in book.blocks if block.text.strip()]
    total = sum(len(block.text) for block in blocks)
    blocks = _without_contents(blocks, book, total)
    blocks = _without_title_page(blocks, book, total)
    return "\n\n".join(
        block.text.strip("\n")
        for n, block in enumerate(blocks)
        # A title that stands twice on the way to the first chapter.
        if not (0 < n < _FRONT_BLOCKS and block.text == blocks[n - 1].text and len(block.text) < 90)
    )


def _without_contents(blocks: list[Block], book: Book, total: int) -> list[Block]:
    """Drop tables of contents, lists of illustrations and indexes with their headings."""
    last_seen: dict[str, int] = {}
    kept: list[Block] = []
    n = num_tables = 0
    while n < len(blocks):
        first, _, _ = blocks[n].text.partition("\n")
        upto = n
        if len(first) < _MAX_HEADING_CHARS and num_tables < _MAX_TABLES:
            is_front = n < 2 * _FRONT_BLOCKS
            if _CONTENTS.fullmatch(first) or (is_front and _INDEX.fullmatch(first)):
                last_seen = last_seen or _last_seen(blocks, book.captions)
                upto = _contents_end(blocks, n, last_seen, _name(book.title))
            elif _INDEX.fullmatch(first):
                upto = _index_end(blocks, n)
            num_tables += bool(_CONTENTS.fullmatch(first) or _INDEX.fullmatch(first))
        size = sum(len(block.text) for block in blocks[n:upto])
        if upto > n and size <= max(2000, _MAX_CONTENTS_SHARE * total):
            for block in blocks[n:upto]:
                book.drop("contents", block.text)
            n = upto
        else:
            kept.append(blocks[n])
            n += 1
    return kept


def _last_seen(blocks: list[Block], captions: list[str]) -> dict[str, int]:
    """Return where each name that a table of contents may give stands last."""
    seen = {name: n for n, block in enumerate(blocks) for name in _heading_names(block)}
    return {**seen, **{_name(caption): len(blocks) for caption in captions}}


def _heading_names(block: Block) -> list[str]:
    """Return what a block may be called in a table of contents; nothing for a paragraph."""
    if len(block.text) > 2 * _MAX_HEADING_CHARS:
        return []
    first, _, rest = block.text.partition("\n")
    names = [_name(first), _bare_name(first)]
    if rest:
        names += [_name(block.text), _bare_name(rest)]
    return [name for name in names if name]


def _contents_end(blocks: list[Block], at: int, last_seen: dict[str, int], title: str) -> int:
    """Return the block behind a table of contents: no entry, or the first chapter's heading.

    An entry ends with a page, or begins with a number, or comes again as a heading. Two blocks
    that are none may stand between entries.
    """
    end, others = at + 1, 0
    upto = at if _INDEX.fullmatch(blocks[at].text) else at + 1
    left = _MAX_CONTENTS_CHARS
    while end < len(blocks) and others <= 2 and left > 0:
        block = blocks[end]
        left -= len(block.text)
        if _is_entry(block, end, last_seen):
            others, upto = 0, end + 1
        elif len(block.text) > _MAX_ENTRY_CHARS or _CONTENTS.fullmatch(block.text.split("\n")[0]):
            break
        else:
            others += 1
        end += 1
    # Headings of the first chapter look like entries: those that the table named already stay.
    first_seen: dict[str, int] = {}
    for n in range(at + 1, upto):
        for line in blocks[n].text.split("\n"):
            for name in (_name(line), _bare_name(line)):
                first_seen.setdefault(name, n)
    while upto > at + 1 and _is_first_heading(blocks[upto - 1], upto - 1, first_seen, title):
        upto -= 1
    return upto


def _is_first_heading(block: Block, n: int, first_seen: dict[str, int], title: str) -> bool:
    first = block.text.split("\n")[0]
    if len(block.text) > 2 * _MAX_HEADING_CHARS or _ENDS_WITH_PAGE.search(first):
        return False
    if _FIRST_NUMBER.fullmatch(first) or (title and _name(first) == title):
        return True
    return any(first_seen.get(name, n) < n for name in _heading_names(block))


def _is_entry(block: Block, n: int, last_seen: dict[str, int]) -> bool:
    """Tell whether a block may be part of a table of contents."""
    lines = block.text.split("\n")
    if _ENDS_WITH_PAGE.search(lines[-1]) and len(lines[-1]) < _MAX_SUMMARY_CHARS:
        return True
    if any(len(line) > _MAX_ENTRY_CHARS for line in lines):
        return False
    entries = sum(1 for line in lines if _is_entry_line(line, n, last_seen))
    return entries * 2 >= len(lines)


def _is_entry_line(line: str, n: int, last_seen: dict[str, int]) -> bool:
    if _ENDS_WITH_PAGE.search(line) or _COLUMN_HEADING.fullmatch(line):
        return True
    if _NUMBERED.match(line) and len(line) < _MAX_HEADING_CHARS:
        return True
    return any(last_seen.get(name, 0) > n for name in (_name(line), _bare_name(line)) if name)


def _name(line: str) -> str:
    """Return an entry without its page, for comparison."""
    line = line[:_MAX_ENTRY_CHARS].strip()
    return re.sub(r"\W+", " ", _PAGE_END.sub("", line)).strip().casefold()


def _bare_name(line: str) -> str:
    """Return an entry without its number and its page."""
    return _name(_NUMBERED.sub("", line, count=1)) if _NUMBERED.match(line) else _name(line)


def _index_end(blocks: list[Block], at: int) -> int:
    """Return the block behind an index: its entries end with pages."""
    end, good, bad = at + 1, 0, 0
    last_good = at
    while end < len(blocks) and bad <= 4:
        lines = [line for line in blocks[end].text.split("\n") if line.strip()]
        if all(len(line.strip()) <= 3 for line in lines):
            end += 1
            continue
        if sum(1 for line in lines if _REFERENCE.search(line)) * 2 >= len(lines):
            good, bad, last_good = good + len(lines), 0, end
        else:
            bad += 1
        end += 1
    return last_good + 1 if good >= 5 else at


def _without_title_page(blocks: list[Block], book: Book, total: int) -> list[Block]:
    """Drop title, author and imprint before the first chapter; dedications and mottoes stay."""
    body = _body(blocks, total)
    names = {_name(book.title), _name(book.author)} - {""}
    kept, num_chars = [], 0
    for n, block in enumerate(blocks):
        if n >= body or num_chars > _FRONT_CHARS or not _is_title_page(block, names, n, body):
            kept.append(block)
            continue
        num_chars += len(block.text)
        book.drop("title_page", block.text)
        if (not book.date and _IMPRINT.search(block.text)) or re.fullmatch(
            r"\W*\d{4}\W*", block.text
        ):
            book.date = book.date or year(block.text)
    return kept


def _body(blocks: list[Block], total: int) -> int:
    """Return the block where the body begins; 0 if no front matter is to be seen."""
    for n, block in enumerate(blocks[:_FRONT_BLOCKS]):
        num_words = len(block.text.split())
        if num_words >= _BODY_WORDS and not _IMPRINT.search(block.text[:300]):
            return n
        first = block.text.split("\n")[0]
        if n and len(first) < 80 and _BODY.match(first) and not _BY.match(first):
            return n
    return 0


def _is_title_page(block: Block, names: set[str], n: int, body: int) -> bool:
    words = block.text.split()
    if len(words) > 60 or (_NUMBERED.match(block.text) and len(words) < 12):
        return False
    lines = block.text.split("\n")
    plain = _name(block.text)
    if plain in names or _name(lines[0]) in names or _IMPRINT.search(block.text):
        return True
    if n < 12 and len(words) > 1 and any(name.startswith(f"{plain} ") for name in names):
        return True
    is_sentence = bool(_SENTENCE_END.search(block.text))
    if (
        n < 12
        and len(words) <= 25
        and not is_sentence
        and any(plain.startswith(f"{name} ") for name in names)
    ):
        return True
    if _BY.match(block.text) and len(words) <= 12:
        return True
    return bool(re.fullmatch(r"\W*(?:\d{4}|[MDCLXVI]{4,12}\.?)\W*", block.text))
