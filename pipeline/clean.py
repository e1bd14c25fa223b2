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
"""

import functools
import re
import unicodedata

import ftfy
from ftfy.badness import BADNESS_RE, MOJIBAKE_CATEGORIES
from ftfy.fixes import unescape_html

CLEAN_VERSION = 1
"""Raise it with every change of output; it is part of a stage's identity."""

# A text that is still changing after so many passes is an attack; real ones take one or two.
_MAX_PASSES = 16
# The longest match of BADNESS_RE has 7 characters.
_REACH_CHARS = 6

_LINE_BREAKS = "\r\v\f\u2028\u2029"
_LINE_BREAK = re.compile(f"[{_LINE_BREAKS}]")
_SPACES = "\t\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u202f\u205f\u3000"
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
    for _ in range(_MAX_PASSES):
        decoded = _decode(text)
        repaired = _repair(decoded)
        cleaned = _lay_out(repaired)
        if cleaned == text or (repaired == decoded and _is_fixed(cleaned)):
            return cleaned
        text = cleaned
    return text


def _is_fixed(text: str) -> bool:
    """False only if another pass may change a text that was laid out and needed no repair.

    Step 2 has left no line break to change, and step 4 is done after one time.
    """
    return ("&" not in text or "<" in text) and not _can_change(text)


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
        begin = max(0, found.start() - _REACH_CHARS)
        # A pair begins one character before or at the match, so reach one further.
        if BADNESS_RE.search(text, begin, found.end() + _REACH_CHARS):
            return True
    return not unicodedata.is_normalized("NFC", text)


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
    """Compile the search for places where ftfy may act; group 1 is set where it surely may.

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
    sharp = _class(known - mild - lower)
    other = _class(known - lower - lower_mild)
    # What the other steps change: controls, C1, surrogates, deprecated and stray format characters.
    sure = "\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\u206a-\u206f\ud800-\udfff\ufeff\ufff9-\ufffc"
    # One leading class lets the regex engine skip over everything else in its fastest loop.
    return re.compile(
        f"[{sure}{sharp}{_class(lower)}Ђ](?:(?<=([{sure}]))|(?<=[ŒœÂÃ])|(?<=[вВ]Ђ)"
        f"|(?<=[{sharp}])(?=[{_class(known)}])|(?<=[{_class(known)}][{sharp}])"
        f"|(?<=[{_class(lower)}])(?=[{other}])|(?<=[{other}][{_class(lower)}]))"
    )


def _class(chars: set[str]) -> str:
    return "".join(sorted(chars))


def _members(char_class: str) -> str:
    """List the non-ASCII characters of the basic plane that a regex class holds."""
    everything = "".join(map(chr, (*range(0x80, 0xD800), *range(0xE000, 0x10000))))
    return "".join(re.findall(f"[{char_class}]", everything))
