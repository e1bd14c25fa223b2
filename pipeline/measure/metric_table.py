"""What every metric column counts: the table of definitions, and the sets that they speak of.

Published filters of the same name differ, and papers leave the details to code. Each definition
says what is counted here, and where another project counts otherwise. The functions that count are
in metrics.py; tests/pipeline/metric_oracle.py says the same slowly in plain Python.

Tokens are those of token_rule.py. Where a definition speaks of lines, it says which: those of
`str.splitlines`, which knows every line boundary of Unicode, or those between line feeds; and
whether blank ones count.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """What one column counts."""

    definition: str
    unit: str
    source: str


STOP_WORDS = frozenset({"the", "be", "to", "of", "and", "that", "have", "with"})
"""Of English, as Gopher lists them; for other languages see stop_words.py."""
TOP_SIZES = (2, 3, 4)
DUPLICATE_SIZES = (5, 6, 7, 8, 9, 10)
SHORT_LINE_CHARS = 30
LONG_LINE_CHARS = 200
LONG_WORD_CHARS = 1000
COMPRESSED_BYTES = 1 << 14
"""How much of a text is compressed to see how well it does."""
NOT_MEASURED = -1
"""Value of a metric that a document's language has no list for. It breaks no rule."""
SCORE_ONE = 1_000_000
"""A score of 1 in SCORES."""
NO_SCORE = -(1 << 63)
"""The same for SCORES, which may be negative."""

# Ranges with the Unicode property Sentence_Terminal, as of version 15, and Khmer U+17D6, U+17D9 and
# U+17DA, which older versions gave it: the characters that end a line of text for FineWeb.
_TERMINAL_RANGES = """
    21 2E 3F 589 61D-61F 6D4 700-702 7F9 837 839 83D-83E 964-965 104A-104B 1362 1367-1368 166E
    1735-1736 17D4-17D6 17D9-17DA 1803 1809 1944-1945 1AA8-1AAB 1B5A-1B5B 1B5E-1B5F 1B7D-1B7E
    1C3B-1C3C 1C7E-1C7F 203C-203D 2047-2049 2E2E 2E3C 2E53-2E54 3002 A4FF A60E-A60F A6F3 A6F7
    A876-A877 A8CE-A8CF A92F A9C8-A9C9 AA5D-AA5F AAF0-AAF1 ABEB FE52 FE56-FE57 FF01 FF0E FF1F FF61
    10A56-10A57 10F55-10F59 10F86-10F89 11047-11048 110BE-110C1 11141-11143 111C5-111C6 111CD
    111DE-111DF 11238-11239 1123B-1123C 112A9 1144B-1144C 115C2-115C3 115C9-115D7 11641-11642
    1173C-1173E 11944 11946 11A42-11A43 11A9B-11A9C 11C41-11C42 11EF7-11EF8 11F43-11F44 16A6E-16A6F
    16AF5 16B37-16B38 16B44 16E98 1BC9F 1DA88
"""
# ASCII signs, control characters, the marks that cc_net maps to ASCII ones and datatrove took over
# from it (without the digit U+FF11 among them, which is a slip), quotation marks, dashes.
_SIGN_RANGES = """
    0-8 B-1F 21-2F 3A-40 5B-60 7B-9F AB B4 BB 2013-2014 2019 201C-201E 2026 2236 2501 25BA 3001
    3008-300B 300C-300D 3010-3011 FF05 FF08-FF09 FF0C FF1A FF1B FF5E
"""


def _characters(ranges: str) -> Iterable[str]:
    for part in ranges.split():
        first, _, last = part.partition("-")
        yield from map(chr, range(int(first, 16), int(last or first, 16) + 1))


TERMINALS = frozenset(_characters(_TERMINAL_RANGES))
"""Characters that end a sentence, in any script; no quotation marks."""
PUNCTUATION = TERMINALS | frozenset(_characters(_SIGN_RANGES))
"""Characters that make no word by themselves. Others that look alike ("•", "§", "‘") do: the set
is the one that the published filters were run with."""

C4_ENDS = (".", "?", "!", '"')
C4_DATATROVE_ENDS = (*C4_ENDS, "'")
C4_POLICY = (
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
)
"""In lower case, as they are sought."""
C4_CITATION = r"\[\d*\]|\[edit\]|\[citation needed\]"
"""Cut from a line before it is looked at; of digits of any script."""
REFINEDWEB_COUNTERS = (
    "likes",
    "shares",
    "comments",
    "retweets",
    "reposts",
    "quotes",
    "bookmarks",
    "upvotes",
    "downvotes",
    "downloads",
    "views",
    "followers",
)
"""What a line that is a mere counter counts ("3 likes"), in lower case."""
REFINEDWEB_PHRASES = ("items in cart", "read more...", "sign-in")
"""Cut from lines of at most 10 words: anywhere, at the end, at the beginning. Lower case."""

_GOPHER = "Rae et al. 2021 (Gopher), table A1, as in datatrove 0.10"
_FINEWEB = "Penedo et al. 2024 (FineWeb), datatrove FineWebQualityFilter"
_C4 = "Raffel et al. 2020 (C4), clean_page of tfds text/c4_utils.py"
_MC4 = "Xue et al. 2021 (mC4), datatrove C4ParagraphFilter"
_REFINEDWEB = "Penedo et al. 2023 (RefinedWeb), table 7, as in DCLM's dclm_baseline_refinedweb.yaml"
_OURS = "gristmill"

_CHARACTERS = "characters"
_PLAIN = (
    ("num_chars", "characters (code points) of the text", _CHARACTERS, _OURS),
    ("num_bytes", "bytes of the text in UTF-8", "bytes", _OURS),
    (
        "num_tokens",
        "tokens, by token_rule.py: spaCy's rules without its lists of exceptions, which the "
        "reference has too; in scripts without spaces every letter is one",
        "tokens",
        _GOPHER,
    ),
    (
        "num_words",
        "tokens with a character that is not in PUNCTUATION (datatrove: non-symbol words)",
        "words",
        _GOPHER,
    ),
    (
        "num_word_chars",
        "characters of those words; dolma bounds the median length, not the mean",
        _CHARACTERS,
        _GOPHER,
    ),
    ("num_alpha_words", "tokens with at least one letter (str.isalpha)", "tokens", _GOPHER),
    (
        "num_stop_words",
        "distinct tokens among the stop words of the document's declared language, case-sensitive "
        "(DCLM: all occurrences, in any case); -1 where there is no list, and then no rule is "
        "broken",
        "words",
        _GOPHER,
    ),
    ("num_hashes", "hash signs (dolma: words that contain one)", _CHARACTERS, _GOPHER),
    ("num_ellipses", "'...' (not overlapping) and '…'", "ellipses", _GOPHER),
    ("num_digits", "decimal digits of any script (str.isdecimal)", _CHARACTERS, _OURS),
    ("num_upper", "upper case letters (str.isupper)", _CHARACTERS, _OURS),
    ("num_newlines", "line feeds", _CHARACTERS, _FINEWEB),
    ("num_chars_no_newlines", "characters that are no line feeds", _CHARACTERS, _FINEWEB),
    ("num_sentences", "sentences, by the rule of sentences.py", "sentences", _OURS),
    (
        "num_lines",
        "lines of str.splitlines, blank ones too (DCLM and Gopher's text: without them)",
        "lines",
        _GOPHER,
    ),
    (
        "num_bullet_lines",
        "those that begin, after white space, with '•' or '-' (dolma: '*' or '-'; DCLM: ● • * -; "
        "RedPajama 2: nine signs)",
        "lines",
        _GOPHER,
    ),
    (
        "num_ellipsis_lines",
        "those that end, before white space, in '...' or '…' (DCLM: also '. . .')",
        "lines",
        _GOPHER,
    ),
    (
        "num_repetition_lines",
        "pieces between runs of line feeds; an empty piece at either end of the text is one",
        "lines",
        _GOPHER,
    ),
    (
        "num_duplicate_lines",
        "those equal to an earlier one: of three equal lines two (dolma and DCLM: all three; "
        "NeMo Curator bounds the share of distinct ones)",
        "lines",
        _GOPHER,
    ),
    ("num_duplicate_line_chars", "characters of those", _CHARACTERS, _GOPHER),
    (
        "num_paragraphs",
        "pieces of the stripped text between runs of two and more line feeds; a line of blanks "
        "divides none",
        "paragraphs",
        _GOPHER,
    ),
    ("num_duplicate_paragraphs", "those equal to an earlier one", "paragraphs", _GOPHER),
    ("num_duplicate_paragraph_chars", "characters of those", _CHARACTERS, _GOPHER),
)
_REPETITION = (
    *(
        (
            f"num_top_{n}gram_chars",
            f"characters of the most frequent {n} tokens in a row, joined by single spaces, times "
            "their occurrences; of equally frequent ones the first in the text, even one that "
            "occurs once (DCLM: the longest, and only if repeated); 0 if the text is shorter",
            _CHARACTERS,
            _GOPHER,
        )
        for n in TOP_SIZES
    ),
    *(
        (
            f"num_duplicate_{n}gram_chars",
            f"characters of {n} tokens in a row that stood before, joined by nothing; found from "
            "left to right, the search goes on behind each (DCLM: of all tokens in repeated ones, "
            "the first occurrence too)",
            _CHARACTERS,
            _GOPHER,
        )
        for n in DUPLICATE_SIZES
    ),
)
_LINES = (
    ("num_text_lines", "lines between line feeds that are not blank", "lines", _FINEWEB),
    (
        "num_terminal_lines",
        "those whose last character is in TERMINALS, white space and quotation marks not skipped",
        "lines",
        _FINEWEB,
    ),
    (
        "num_short_lines",
        f"those of at most {SHORT_LINE_CHARS} characters, white space included",
        "lines",
        _FINEWEB,
    ),
    (
        "num_text_line_duplicate_chars",
        "characters of those equal to an earlier one",
        _CHARACTERS,
        _FINEWEB,
    ),
    (
        "num_long_lines",
        f"lines between line feeds of at least {LONG_LINE_CHARS} characters",
        "lines",
        _MC4,
    ),
    (
        "num_long_word_lines",
        f"lines of str.splitlines with a run of more than {LONG_WORD_CHARS} characters without "
        "white space",
        "lines",
        _C4,
    ),
    ("num_javascript_lines", "lines with 'javascript', in any (ASCII) case", "lines", _C4),
    ("num_policy_lines", "lines with a phrase of C4_POLICY, in any (ASCII) case", "lines", _C4),
)
_C4_FAMILIES = (
    ("c4", "ends in C4_ENDS and not in '...', and has 5 words without its citations", _C4),
    (
        "c4_datatrove",
        "ends in C4_DATATROVE_ENDS and not in '...', and has 3 words with its citations",
        "datatrove 0.10, C4QualityFilter",
    ),
    (
        "c4_fineweb",
        "has 3 words with its citations, whatever it ends in",
        "FineWeb: C4QualityFilter(filter_no_terminal_punct=False)",
    ),
)
_C4_METRICS = tuple(
    row
    for family, condition, source in _C4_FAMILIES
    for row in (
        (
            f"num_{family}_lines",
            "lines of str.splitlines, stripped and freed of citations (C4_CITATION; not stripped "
            f"again), that are kept: the line {condition}; it has no word of more than "
            f"{LONG_WORD_CHARS} characters, no 'javascript' and no phrase of C4_POLICY",
            "lines",
            source,
        ),
        (
            f"num_{family}_sentences",
            "sentences of those lines, by the rule of sentences.py (C4: NLTK's punkt; datatrove: "
            "spaCy's sentencizer, which ends one behind every token that is a stop)",
            "sentences",
            source,
        ),
        (
            f"num_{family}_lorem_lines",
            "lines with 'lorem ipsum' of any (ASCII) case that fail none of length of words, "
            "ending and number of words",
            "lines",
            source,
        ),
        (
            f"num_{family}_curly_lines",
            "lines with '{' that fail none of those and have no 'javascript'",
            "lines",
            source,
        ),
    )
)
_REST = (
    (
        "num_space_words",
        "runs between white space that begin with a letter or digit (str.isalnum)",
        "words",
        _REFINEDWEB,
    ),
    (
        "num_refinedweb_lines",
        "lines that line_rules.refinedweb cuts whole: more than half upper case, all digits, a "
        "counter, a single word, a phrase of REFINEDWEB_PHRASES alone",
        "lines",
        _REFINEDWEB,
    ),
    (
        "num_refinedweb_words",
        "of num_space_words those that it cuts, with whole lines or with phrases",
        "words",
        _REFINEDWEB,
    ),
    ("num_emails", "e-mail addresses, as pii.py finds them", "addresses", _OURS),
    ("num_ips", "public IP addresses, as pii.py finds them", "addresses", _OURS),
    ("num_phones", "phone numbers, as pii.py finds them", "numbers", _OURS),
    (
        "num_compressible_bytes",
        f"bytes of the text, at most {COMPRESSED_BYTES}",
        "bytes",
        _OURS,
    ),
    (
        "num_compressed_bytes",
        "what is left of those first bytes after zstd at level 1",
        "bytes",
        _OURS,
    ),
)

METRICS: dict[str, Metric] = {
    name: Metric(definition=definition, unit=unit, source=source)
    for name, definition, unit, source in (*_PLAIN, *_REPETITION, *_LINES, *_C4_METRICS, *_REST)
}
"""Name of the column -> what it counts."""

SCORES: dict[str, Metric] = {
    "quality_score": Metric(
        definition="what the recipe's quality_model says of the text (see quality.py): a "
        "classifier's probability of the label, or the mean log10 probability of a word, rounded "
        "down",
        unit="millionths",
        source="Li et al. 2024 (DCLM); Wenzek et al. 2020 (cc_net)",
    ),
}
"""Columns that only a model can fill; without one they are NO_SCORE, and there are no rules."""


def not_measured(name: str) -> int:
    """Return the value of a column that says that there is none."""
    return NO_SCORE if name in SCORES else NOT_MEASURED
