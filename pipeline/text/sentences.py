"""Where a text may be cut into rows: behind sentences and lines, never inside a word.

A rule, not a model: a cut in a slightly wrong place costs a training row nothing, a download or a
slow splitter would. The white space behind a sentence belongs to it, so the pieces add up.
"""

import re
from itertools import pairwise

# Words after which a point does not end a sentence, lower case, without that point.
ABBREVIATIONS = frozenset(
    """
    adj adm approx apt assoc aug ave bd bldg blvd bros brig ca cap capt cf cie cmdr co col comdr
    corp cpl dec dept det dist div dr ed eds eg eng esp est ext feb fl fr ft gen gov hon hr ht ie
    inc inst jan jr jul jun lat lib lieut lt ltd maj mar messrs mfg misc mlle mm mme mr mrs ms mt
    mts mus nov oct pl pres prof pub pvt rd rep repr rev rt sen sep sept sgt sr st str supt tel
    trans univ viz vs bzw dgl evtl geb ggf hrsg inkl usw vgl zzgl bijv drs enz mevr dhr mej ing
    sra srta ud uds tzv resp np tj
    """.split()  # noqa: SIM905 - a list literal of these would fill the page
)
# The same, but only before a number: "no. 5", "fig. 2".
NUMBERED = frozenset(
    {"art", "ch", "fig", "figs", "no", "nos", "nr", "op", "pp", "pt", "sec", "vol"}
)

CLOSERS = "\"'”’»)]）】」』›"
# White space behind a stop; with line breaks in it, up to the last of them and not the indent.
_GAP = r"(?:(?:[^\S\n]*+\n)++|[^\S\n]++)"
# Full stops of scripts that put no space behind them, or not always: of Han and kana, Burmese, and
# the one that ends a Khmer text.
WIDE = "。！？｡．။៕"
# Of some that do: danda, Urdu and Arabic, Armenian, Ethiopic, Khmer (whose "etc." is set between
# two of them), Tibetan, Mongolian, Ol Chiki, Syriac.
SPACED = "।॥۔؟։።፧፨។།༎༏༑༔᠃᠉᱾᱿܀"
LATIN = ".!?…"
_CLOSER = re.escape(CLOSERS)
_END = re.compile(
    # One leading class lets the regex engine skip over everything else in its fastest loop.
    rf"[\n{WIDE}{SPACED}{LATIN}](?:"
    r"(?<=\n)(?:[^\S\n]*+\n)*+"
    rf"|(?<=[{WIDE}])[{WIDE}]*+[{_CLOSER}]*+{_GAP}?+"
    rf"|(?<=[{SPACED}])[{SPACED}]*+[{_CLOSER}]*+{_GAP}"
    # Group 1: more Latin stops, from the first of a run; _is_end judges what stands around them.
    rf"|(?<=[{LATIN}])(?<![{LATIN}][{LATIN}])([{LATIN}]*+)[{_CLOSER}]*+{_GAP})"
)
# The longest token that is looked at before a point.
TOKEN_CHARS = 16
_TOKEN = re.compile(r"[^\W\d_]+(?:\.[^\W\d_]+)*\Z")


def sentence_ends(text: str) -> list[int]:
    """List the offsets, in characters, behind which a text may be cut.

    Returns:
        Rising offsets; the last is len(text), and an empty text has none. The pieces between them
        concatenate to the text, and no cut lies inside a word.
    """
    ends = [found.end() for found in _END.finditer(text) if _is_end(text, found)]
    if text and (not ends or ends[-1] != len(text)):
        ends.append(len(text))
    return ends


def sentences(text: str) -> list[str]:
    """Cut a text behind each of its sentences; the pieces concatenate to the text."""
    return [text[begin:end] for begin, end in pairwise([0, *sentence_ends(text)])]


def _is_end(text: str, found: re.Match[str]) -> bool:
    """Judge a Latin stop: is it the end of a sentence or of an abbreviation?"""
    if found.group(1) is None or "\n" in text[found.end(1) : found.end()]:
        return True
    following = text[found.end() : found.end() + 1]
    if following.islower():
        return False
    at = found.start()
    if text[at : found.end(1)] != ".":
        return True
    token = _TOKEN.search(text[max(0, at - TOKEN_CHARS) : at])
    if token is None:
        return True
    word = token.group()
    if len(word) == 1:
        # An initial ("J. Smith"), unless it is the English pronoun.
        return word == "I" or not word.isupper()
    if following.isdigit() and word.lower() in NUMBERED:
        return False
    # "e.g. Paris", "U.S. Army": inner points mark an abbreviation.
    return "." not in word and word.lower() not in ABBREVIATIONS
