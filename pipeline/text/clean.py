r"""Unicode repair and white space: ftfy, non-destructively, with a fast path that is exactly ftfy.

What one pass does, in this order, repeated until nothing changes:

1. HTML entities are decoded, but only in a text without "<": there they may belong to markup.
2. Line breaks (CRLF, CR, vertical tab, form feed, U+2028, U+2029) become \n. NEL (U+0085) does
   not: like every C1 control it is read as windows-1252, as browsers do, which is an ellipsis.
3. ftfy, line by line: mojibake, C1 controls, surrogates, terminal escapes, control characters,
   NFC. Off, because they undo what an author wrote: ligatures, character width, curly quotes.
   Joiners (ZWJ, ZWNJ) and direction marks are kept.
4. Tabs, no-break and typographic spaces become plain spaces, one for one: runs inside a line stay,
   since verse and code are aligned by them. White space at line ends goes, more than one blank
   line becomes one, and blank lines at both ends of the text go.

The fast path. ftfy spends its time in BADNESS_RE, which tries some thirty alternatives at each
character. Every match of it is at most 7 characters long and holds a tell-tale: one of a few
characters, or two adjacent non-ASCII characters of certain classes. (Proof by reading the pattern
of ftfy 6.3; a test pins its digest and another searches for a counterexample.) One regex with a
leading character class finds the tell-tales; BADNESS_RE is then tried on their surroundings only,
and ftfy is called for the lines where it matches, or that hold a control character or are not NFC.

Most texts have no tell-tale at all, nor an entity, and are in NFC. One pass of clean_kernel.py over
their bytes finds that out, does steps 2 and 4, and takes out stray control characters; all others
take the passes described above.
"""

import functools
import re
import unicodedata

import ftfy
import numpy as np
from ftfy.badness import BADNESS_RE, MOJIBAKE_CATEGORIES
from ftfy.fixes import unescape_html
from numpy.typing import NDArray

from pipeline.text import clean_kernel, codepoints

CLEAN_VERSION = 2
"""Raise it with every change of output; it is part of a stage's identity."""

# A text that is still changing after so many passes is an attack; real ones take one or two.
_MAX_PASSES = 16
# A text with more tell-tales is looked at line by line.
_MAX_TELL_TALES = 256

_LINE_BREAKS = "\r\v\f\u2028\u2029"
_LINE_BREAK = re.compile(f"[{_LINE_BREAKS}]")
_SPACES = "\t\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u202f\u205f\u3000"
_TO_SPACE = dict.fromkeys(map(ord, _SPACES), " ")
_ASCII_CONTROLS = bytes((*range(9), 0x0B, *range(0x0E, 0x20), 0x7F))
# unescape_html takes one level per call, so a chain "&amp;amp;amp;..." would cost quadratic time.
_ENTITY_CHAIN = re.compile(r"&(?:(?:amp|AMP|#0*+38|#[xX]0*+26);){2,}+")

_CONFIG = ftfy.TextFixerConfig(
    unescape_html=False,
    fix_latin_ligatures=False,
    fix_character_width=False,
    uncurl_quotes=False,
    fix_line_breaks=False,
    normalization="NFC",
    explain=False,
)


def clean_text(text: str) -> str:
    """Repair and normalize a text; the rules are at the top of the module.

    The result is a fixed point: cleaning it again changes nothing.
    """
    if not text:
        return text
    for _ in range(_MAX_PASSES):
        laid_out = _laid_out(text)
        if laid_out is not None:
            return laid_out
        cleaned = _lay_out(_repair(_decode(text)))
        if cleaned == text:
            break
        text = cleaned
    return text


def _laid_out(text: str) -> str | None:
    """Return a text after steps 2 and 4, or None if the other two might do anything to it.

    No further pass is needed: only spaces and line feeds get other neighbours, or take the place of
    others, and neither tell-tales nor normal forms reach across those.
    """
    try:
        data = np.frombuffer(text.encode(), dtype=np.uint8)
    except UnicodeEncodeError:  # surrogates
        return None
    out = np.empty(len(data), dtype=np.uint8)
    places = np.empty((_MAX_TELL_TALES, 2), dtype=np.int64)
    num_bytes, flags, num_places = clean_kernel.lay_out(data, _table(), out, places)
    if flags & clean_kernel.REPAIR:
        return None
    has_lost = flags & clean_kernel.REMOVED
    if flags & clean_kernel.NORMALIZE and (has_lost or not unicodedata.is_normalized("NFC", text)):
        return None
    for begin, end in places[:num_places].tolist():
        around = str(data[begin:end].data, "utf-8").replace("\r\n", "\n")
        # ftfy looks at a line before it takes characters out, and again behind that.
        around = _LINE_BREAK.sub("\n", around)
        if _may_be_bad(around) or (has_lost and _STRAY.search(around)):
            return None
        # A plain space behind "Ã" may be bad where the one that it was is not.
        spaced = around.translate(_TO_SPACE)
        if spaced != around and _may_be_bad(spaced):
            return None
    if num_bytes == len(data) and not flags & clean_kernel.CHANGED:
        return text
    return str(out[:num_bytes].data, "utf-8")


def clean_text_plainly(text: str) -> str:
    """What `clean_text` must equal: the same passes with ftfy over all of the text. For tests."""
    for _ in range(_MAX_PASSES):
        cleaned = _lay_out(ftfy.fix_text(_decode(text), _CONFIG))
        if cleaned == text:
            break
        text = cleaned
    return text


def _decode(text: str) -> str:
    """Steps 1 and 2: entities, then line breaks (an entity may stand for one)."""
    if "&" in text and "<" not in text:
        for _ in range(_MAX_PASSES):
            decoded = unescape_html(_ENTITY_CHAIN.sub("&amp;", text))
            if decoded == text:
                break
            text = decoded
    # Looking for single characters first is many times faster than what changes them.
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    if any(char in text for char in _LINE_BREAKS):
        text = _LINE_BREAK.sub("\n", text)
    return text


def _repair(text: str) -> str:
    """Step 3: equals ftfy.fix_text(text, _CONFIG), which also works line by line."""
    if not _can_change(text):
        return text
    lines = text.split("\n")
    # ftfy sees a line together with its line feed, so it must here too.
    ended = [line + "\n" for line in lines[:-1]]
    ended.append(lines[-1])
    return "".join(ftfy.fix_text(line, _CONFIG) if _can_change(line) else line for line in ended)


def _can_change(text: str) -> bool:
    """False only if ftfy.fix_text(text, _CONFIG) would return the text as it is."""
    if text.isascii():
        return len(text.encode().translate(None, _ASCII_CONTROLS)) < len(text)
    for found in _tell_tales().finditer(text):
        if found.lastindex:
            return True
        begin = max(0, found.start() - clean_kernel.REACH_CHARS)
        # A pair begins one character before or at the match, so reach one further.
        if _may_be_bad(text[begin : found.end() + clean_kernel.REACH_CHARS]):
            return True
    return not unicodedata.is_normalized("NFC", text)


def _may_be_bad(around: str) -> bool:
    """False only if ftfy's heuristic does not match in these parts of lines.

    One of its alternatives asks for the beginning of what ftfy looks at, a line.
    """
    return any(BADNESS_RE.search(line + "\n") for line in around.split("\n"))


def _lay_out(text: str) -> str:
    """Step 4."""
    for space in "\t" if text.isascii() else _SPACES:
        text = text.replace(space, " ")
    text = text.rstrip(" \n")
    if " \n" in text:
        text = text.replace(" \n", "\n")
        if " \n" in text:
            text = "\n".join([line.rstrip(" ") for line in text.split("\n")])
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text.lstrip("\n")


@functools.cache
def _tell_tales() -> re.Pattern[str]:
    """Compile the search for places where ftfy may act; group 1 is set where it surely may."""
    sharp, lower, other, known = map(_class, _classes())
    # One leading class lets the regex engine skip over everything else in its fastest loop.
    return re.compile(
        f"[{_SURE}{sharp}{lower}Ђ](?:(?<=([{_SURE}]))|(?<=[{_ALONE}])|(?<=[вВ]Ђ)"
        f"|(?<=[{sharp}])(?=[{known}])|(?<=[{known}][{sharp}])"
        f"|(?<=[{lower}])(?=[{other}])|(?<=[{other}][{lower}]))"
    )


# What the other steps change: controls, C1, surrogates, deprecated and stray format characters.
_SURE = "\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\u206a-\u206f\ud800-\udfff\ufeff\ufff9-\ufffc"
_ALONE = "ŒœÂÃ"
# Those that ftfy's remove_control_chars removes, but for the escape, which may begin a sequence.
_STRAY = re.compile("[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f\u206a-\u206f\ufeff\ufff9-\ufffc]")


def _classes() -> tuple[set[str], set[str], set[str], set[str]]:
    """Return the characters that may be part of a tell-tale: sharp, lower, other and all known.

    The alternatives of BADNESS_RE, read one by one, are of four kinds: a C1 control alone; "Œ" or
    "œ" with any neighbour; "Â" or "Ã" with a space; and sequences with two adjacent non-ASCII
    characters. Such a pair always has a character outside the mild categories (common,
    lower_common, upper_common), except in "вЂ" and "ГўВЂВ"; and two lower case letters side by
    side are never the only pair.
    """
    mild_names = ("common", "lower_common", "upper_common")
    mild = set(_members("".join(MOJIBAKE_CATEGORIES[name] for name in mild_names)))
    literals = "".join(char for char in BADNESS_RE.pattern if not char.isascii())
    known = set(_members("".join(MOJIBAKE_CATEGORIES.values()) + literals))
    lower = set(_members(MOJIBAKE_CATEGORIES["lower_accented"] + "ò-öø-ü"))
    lower_mild = set(_members(MOJIBAKE_CATEGORIES["lower_common"]))
    return known - mild - lower, lower, known - lower - lower_mild, known


@functools.cache
def _table() -> NDArray[np.uint16]:
    """Return the bits of clean_kernel.lay_out for every code point."""
    table = np.zeros(codepoints.NUM_CODES, dtype=np.uint16)
    sharp, lower, other, known = _classes()
    for bit, chars in (
        (clean_kernel.BREAK, _LINE_BREAKS),
        (clean_kernel.BLANK, _SPACES),
        (clean_kernel.ALONE, _ALONE),
        (clean_kernel.SHARP, sharp),
        (clean_kernel.LOWER, lower),
        (clean_kernel.OTHER, other),
        (clean_kernel.KNOWN, known),
        (clean_kernel.VE, "вВ"),
        (clean_kernel.DJE, "Ђ"),
        (clean_kernel.JOINS, codepoints.not_plainly_nfc()),
    ):
        table[[ord(char) for char in chars]] |= bit
    for bit, chars in ((clean_kernel.SURE, f"[{_SURE}]"), (clean_kernel.STRAY, _STRAY.pattern)):
        codes = [code for code in range(0x10000) if re.match(chars, chr(code))]
        # A vertical tab is a line break first.
        table[codes] |= np.where(table[codes] & clean_kernel.BREAK, 0, bit)
    return table


def _class(chars: set[str]) -> str:
    return "".join(sorted(chars))


def _members(char_class: str) -> str:
    """List the non-ASCII characters of the basic plane that a regex class holds."""
    everything = "".join(map(chr, (*range(0x80, 0xD800), *range(0xE000, 0x10000))))
    return "".join(re.findall(f"[{char_class}]", everything))
