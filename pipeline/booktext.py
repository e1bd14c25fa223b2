"""From a book's blocks to its text: title pages, tables of contents and indexes go."""

import re

from pipeline.bookblocks import Block, Book, year

_CONTENTS = re.compile(
    r"\W*(?:(?:table\s+of\s+)?contents?(?:\s+of\s+.{1,40})?|(?:list\s+of\s+)?illustrations"
    r"|list\s+of\s+(?:plates|figures|maps|tables)|table\s+des\s+mati[èe]res|table\s+des\s+gravures"
    r"|sommaire|inhalt(?:sverzeichnis|sübersicht)?|verzeichnis\s+der\s+.{1,30}|inhoud(?:sopgave)?"
    r"|[ií]ndice(?:\s+general)?|indice\s+dei\s+capitoli|sisällys(?:luettelo)?|innehåll|indhold)\W*",
    re.IGNORECASE,
)
_INDEX = re.compile(r"\W*(?:(?:general|analytical)\s+)?(?:index|register|alphabetical\s+index)\b.{0,60}", re.I)
_NUMBERED = re.compile(
    r"\W*(?:chapter|chap\.?|book|part|letter|canto|act|scene|section|no\.?|stave|volume|vol\.?"
    r"|chapitre|livre|partie|kapitel|buch|teil|hoofdstuk|cap[ií]tulo|capitolo|[ivxlcdm]{1,7}|[0-9]{1,3})"
    r"(?:[.:)\s—-]|$)",
    re.IGNORECASE,
)
_PAGE_END = re.compile(r"[\s.,·]++(?:\(?+(?:[0-9]++|[ivxlc]++)[-–,;.\s)]*+)++$")
_REFERENCE = re.compile(r"\s(?:[0-9]{1,4}|[ivxlc]{1,7})[,;.\s]*(?:\(\w\)|_?n\._?)?[;,.]?\s*$|\bsee\b", re.I)
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
    |\bfrontispiece\b|\blibrairie\b|\bverlag\b|\ball\s+rights\b|^\W*(?:the\s+)?end\W*$""",
    re.IGNORECASE | re.VERBOSE,
)
_BY = re.compile(r"\W*(?:by|par|von|door|por|di)\b", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?…][\"'”’»)\]]*\s*$")
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
    return "\n\n".join(block.text.strip("\n") for block in blocks)


def _without_contents(blocks: list[Block], book: Book, total: int) -> list[Block]:
    """Drop tables of contents, lists of illustrations and indexes with their headings."""
    kept: list[Block] = []
    n = 0
    while n < len(blocks):
        first, _, rest = blocks[n].text.partition("\n")
        upto = n
        if len(first) < 80 and _CONTENTS.fullmatch(first):
            upto = _contents_end(blocks, n, has_entries=bool(rest))
        elif len(first) < 80 and _INDEX.fullmatch(first):
            upto = _index_end(blocks, n)
        size = sum(len(block.text) for block in blocks[n:upto])
        if upto > n and size <= max(2000, _MAX_CONTENTS_SHARE * total):
            for block in blocks[n:upto]:
                book.drop("contents", block.text)
            n = upto
        else:
            kept.append(blocks[n])
            n += 1
    return kept


def _contents_end(blocks: list[Block], at: int, *, has_entries: bool) -> int:
    """Return the block behind a table of contents: no entry, or the first entry's own chapter."""
    end = at + 1
    names: list[str] = [_name(line) for line in blocks[at].text.split("\n")[1:2]]
    while end < len(blocks) and _is_entry(blocks[end]):
        lines = blocks[end].text.split("\n")
        # The table is over where its first entry, or one that begins with a number, comes again.
        if end > at + 1 and len(lines) <= 3 and _name(lines[0]) in names[:3] and _name(lines[0]):
            return end
        names.extend(_name(line) for line in lines)
        if _CONTENTS.fullmatch(lines[0]):
            return end
        end += 1
    # A heading between the table and the first prose belongs to the prose.
    while end > at + 1 and len(names) > 3 and _is_start(blocks[end - 1], names):
        end -= 1
    return end if end > at + 1 or has_entries else at


def _is_start(block: Block, names: list[str]) -> bool:
    first = block.text.split("\n")[0]
    if "\n" in block.text or _PAGE_END.search(first) and re.search(r"\d\s*$", first):
        return False
    return names.count(_name(first)) > 1 or bool(
        re.fullmatch(_BODY.pattern + r".{0,60}", first, re.IGNORECASE) and first.isupper()
    )


def _is_entry(block: Block) -> bool:
    """Tell whether a block may be part of a table of contents."""
    lines = block.text.split("\n")
    if any(len(line) > _MAX_ENTRY_CHARS for line in lines):
        # Several chapters to a line, or a summary of one: "I. The inn — The road — The river  12".
        return all(
            len(line) < 1000 and (re.search(r"[\s.]\d{1,4}\W*$", line) or line.count("--") + line.count("—") > 3)
            for line in lines
        )
    if len(lines) > 1:
        return sum(1 for line in lines if _is_entry_line(line)) * 2 >= len(lines)
    return _is_entry_line(lines[0])


def _is_entry_line(line: str) -> bool:
    if re.search(r"[\s.]\(?(?:[0-9]{1,4}|[ivxlc]{1,7})\W*$", line) or _NUMBERED.match(line):
        return True
    return len(line) < 90 and (not _SENTENCE_END.search(line) or line.isupper() or len(line.split()) < 8)


def _name(line: str) -> str:
    """Return an entry without its page, for comparison."""
    line = line[:_MAX_ENTRY_CHARS].strip()
    return re.sub(r"\W+", " ", _PAGE_END.sub("", line)).strip().casefold()


def _index_end(blocks: list[Block], at: int) -> int:
    """Return the block behind an index: its entries end with pages, letters of the alphabet aside."""
    end, good, bad = at + 1, 0, 0
    last_good = at
    while end < len(blocks) and bad <= 4:
        lines = [line for line in blocks[end].text.split("\n") if line.strip()]
        if all(len(line.strip()) <= 3 for line in lines):
            end += 1
            continue
        if sum(1 for line in lines if _REFERENCE.search(line)) * 2 >= len(lines):
            good, bad, last_good = good + 1, 0, end
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
        if not book.date and _IMPRINT.search(block.text) or re.fullmatch(r"\W*\d{4}\W*", block.text):
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
    if len(words) > 60:
        return False
    lines = block.text.split("\n")
    plain = _name(block.text)
    if plain in names or _name(lines[0]) in names or _IMPRINT.search(block.text):
        return True
    if _BY.match(block.text) and len(words) <= 12:
        return True
    if re.fullmatch(r"\W*(?:\d{4}|[MDCLXVI]{4,12}\.?)\W*", block.text):
        return True
    # Lines of a title page: short, in capitals or without an end, at the very beginning.
    return n < 12 and len(words) <= 14 and not _SENTENCE_END.search(block.text) and block.text.isupper()
