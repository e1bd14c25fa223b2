"""Every rule, with the threshold that each preset gives it, and where presets come from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pipeline.measure.metric_table import DUPLICATE_SIZES, SCORE_ONE, SCORES, TOP_SIZES


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """A bound on a metric, or on a ratio of two."""

    numerator: str
    denominator: str | int | None
    """A metric, or a number of units that the threshold is given in. None: the numerator itself is
    bounded."""
    sense: Literal["min", "max"]
    defaults: Mapping[str, str]
    """Preset -> threshold as decimal digits; presets without the rule are not listed."""
    source: str


PRESETS: dict[str, str] = {
    "none": "no rule",
    "gopher": "Rae et al. 2021, table A1, as datatrove 0.10 has it (GopherRepetitionFilter and "
    "GopherQualityFilter)",
    "c4": "Raffel et al. 2020, pages, with the constants of tfds text/c4_utils.py; its rules for "
    "lines are those of line_rules.c4",
    "fineweb": "Penedo et al. 2024: gopher, C4 without the rule for ends of lines, and FineWeb's "
    "own. There C4 cuts lines before the last look; here all rules see the whole text",
    "mlm-default": "for encoders, which are asked to read lists, tables and code too (ModernBERT, "
    "Warner et al. 2024, was trained on code): Gopher's rules with bounds that reference manuals "
    "and source files keep (CHANGELOG, Decisions), and no rule for bullets or ends of lines",
    "wiki": "length as in Dolma's Wikipedia (Soldaini et al. 2024), Gopher's repetition",
    "books": "length, Gopher's repetition with room for plays: books are edited text",
    "news": "gopher with fewer letters, for scores and share prices; C4's filler text; of FineWeb "
    "the rules for ends of lines, short lines and line feeds",
}
"""Name -> what it is and where it comes from."""
DEFAULT_PRESET = "mlm-default"
BY_KIND = {"wikipedia": "wiki", "books": "books", "warc": "news"}
"""Kind of source -> what the default preset stands for there; other kinds keep it."""

NEED_SPACES = (
    "min_mean_word_chars",
    "max_mean_word_chars",
    *(f"max_duplicate_{n}gram_chars" for n in (5, 6, 7)),
    "max_short_lines",
)
"""Rules that mean something else where every letter is a token, and presets leave out there: five
to seven letters of Chinese are three or four words, and thirty a whole sentence."""
NEED_WORDS = (*NEED_SPACES, *(f"max_duplicate_{n}gram_chars" for n in (8, 9, 10)))
"""The same where letters are sounds: ten letters of Thai are two or three words."""
LEFT_OUT: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("zh", "yue", "wuu", "nan", "hak", "gan", "cjy", "lzh"), NEED_SPACES),
    **dict.fromkeys(("ja", "th", "lo", "km", "my", "bo", "dz"), NEED_WORDS),
    **dict.fromkeys(("khb", "mnw", "nod", "shn", "tdd"), NEED_WORDS),
}
"""Code (language_codes.normalized) of a language written without spaces, or with dividers between
syllables -> rules that presets do not have there."""

_GOPHER = "Rae et al. 2021 (Gopher), table A1"
_C4 = "Raffel et al. 2020 (C4), tfds text/c4_utils.py"
_C4_DATATROVE = "datatrove 0.10, C4QualityFilter; in place of c4's"
_C4_FINEWEB = "Penedo et al. 2024 (FineWeb), C4QualityFilter(filter_no_terminal_punct=False)"
_FINEWEB = "Penedo et al. 2024 (FineWeb), datatrove FineWebQualityFilter"
_REFINEDWEB = "Penedo et al. 2023 (RefinedWeb), 0.05, as in DCLM's dclm_baseline_refinedweb.yaml"
_OURS = "gristmill"

_WEB = ("gopher", "fineweb", "news")
_PROSE = (*_WEB, "mlm-default")
_EVERY = (*_PROSE, "wiki", "books")

_Row: TypeAlias = tuple[str, str, str | int | None, str, dict[str, str]]


def _each(presets: tuple[str, ...], threshold: str) -> dict[str, str]:
    return dict.fromkeys(presets, threshold)


_LENGTH: tuple[_Row, ...] = (
    ("min_chars", "num_chars", None, "datatrove: no empty text", _each(("gopher", "fineweb"), "1")),
    ("max_chars", "num_chars", None, f"{_C4}: is_valid_length", {"c4": "190000"}),
    (
        "min_words",
        "num_words",
        None,
        f"{_GOPHER}: 50; Dolma, Wikipedia: 25; BookCorpus (Zhu et al. 2015): 20,000",
        {**_each(_WEB, "50"), **_each(("mlm-default", "wiki"), "25"), "books": "1000"},
    ),
    ("max_words", "num_words", None, _GOPHER, _each(("gopher", "fineweb"), "100000")),
)
_QUALITY: tuple[_Row, ...] = (
    (
        "min_mean_word_chars",
        "num_word_chars",
        "num_words",
        _GOPHER,
        {**_each(_WEB, "3"), "mlm-default": "2"},
    ),
    (
        "max_mean_word_chars",
        "num_word_chars",
        "num_words",
        _GOPHER,
        {**_each(_WEB, "10"), "mlm-default": "15"},
    ),
    (
        "max_hash_ratio",
        "num_hashes",
        "num_tokens",
        _GOPHER,
        {**_each(_WEB, "0.1"), "mlm-default": "0.2"},
    ),
    ("max_ellipsis_ratio", "num_ellipses", "num_tokens", _GOPHER, _each(_PROSE, "0.1")),
    ("max_bullet_lines", "num_bullet_lines", "num_lines", _GOPHER, _each(_WEB, "0.9")),
    ("max_ellipsis_lines", "num_ellipsis_lines", "num_lines", _GOPHER, _each(_PROSE, "0.3")),
    (
        "min_alpha_words",
        "num_alpha_words",
        "num_tokens",
        f"{_GOPHER}; there, and in DCLM, words are what stands between white space, while here "
        "signs count as well",
        {**_each(("gopher", "fineweb"), "0.8"), "news": "0.7", "mlm-default": "0.3"},
    ),
    (
        "min_stop_words",
        "num_stop_words",
        None,
        _GOPHER,
        {**_each(_WEB, "2"), "mlm-default": "1"},
    ),
)
_REPETITION: tuple[_Row, ...] = (
    (
        "max_duplicate_lines",
        "num_duplicate_lines",
        "num_repetition_lines",
        f"{_GOPHER}; half of the lines of a play are names of speakers",
        {**_each(_EVERY, "0.3"), "books": "0.6", "mlm-default": "0.5"},
    ),
    (
        "max_duplicate_paragraphs",
        "num_duplicate_paragraphs",
        "num_paragraphs",
        _GOPHER,
        _each(_EVERY, "0.3"),
    ),
    (
        "max_duplicate_line_chars",
        "num_duplicate_line_chars",
        "num_chars",
        _GOPHER,
        {**_each(_EVERY, "0.2"), "mlm-default": "0.3"},
    ),
    (
        "max_duplicate_paragraph_chars",
        "num_duplicate_paragraph_chars",
        "num_chars",
        _GOPHER,
        _each(_EVERY, "0.2"),
    ),
    *(
        (
            f"max_top_{n}gram_chars",
            f"num_top_{n}gram_chars",
            "num_chars",
            _GOPHER,
            {**_each(_EVERY, f"0.{24 - 2 * n}"), "mlm-default": f"0.{48 - 4 * n}"},
        )
        for n in TOP_SIZES
    ),
    *(
        (
            f"max_duplicate_{n}gram_chars",
            f"num_duplicate_{n}gram_chars",
            "num_chars",
            _GOPHER,
            {**_each(_EVERY, f"0.{20 - n}"), "mlm-default": f"0.{40 - 2 * n}"},
        )
        for n in DUPLICATE_SIZES
    ),
)
_LOREM = _each(("fineweb", "news", "mlm-default"), "0")
_C4_PAGES: tuple[_Row, ...] = tuple(
    row
    for family, source, lorem, curly, sentences in (
        ("c4", _C4, {"c4": "0"}, {"c4": "0"}, {"c4": "3"}),
        ("c4_datatrove", f"{_C4_DATATROVE}: 0, 0, 5", {}, {}, {}),
        ("c4_fineweb", _C4_FINEWEB, _LOREM, {"fineweb": "0"}, {"fineweb": "5"}),
    )
    for row in (
        (f"max_{family}_lorem_lines", f"num_{family}_lorem_lines", None, source, lorem),
        (f"max_{family}_curly_lines", f"num_{family}_curly_lines", None, source, curly),
        (f"min_{family}_sentences", f"num_{family}_sentences", None, source, sentences),
    )
)
_LINES: tuple[_Row, ...] = (
    (
        "min_long_lines",
        "num_long_lines",
        None,
        "Xue et al. 2021 (mC4), datatrove C4ParagraphFilter: 3",
        {},
    ),
    ("min_text_lines", "num_text_lines", None, f"{_FINEWEB}: no blank text", {"fineweb": "1"}),
    (
        "min_terminal_lines",
        "num_terminal_lines",
        "num_text_lines",
        f"{_FINEWEB}; FineWeb 2: 0.1",
        _each(("fineweb", "news"), "0.12"),
    ),
    (
        "max_short_lines",
        "num_short_lines",
        "num_text_lines",
        f"{_FINEWEB}; FineWeb 2: off",
        _each(("fineweb", "news"), "0.67"),
    ),
    (
        "max_text_line_duplicate_chars",
        "num_text_line_duplicate_chars",
        "num_chars_no_newlines",
        _FINEWEB,
        {"fineweb": "0.01"},
    ),
    (
        "max_newlines",
        "num_newlines",
        "num_tokens",
        _FINEWEB,
        _each(("fineweb", "news"), "0.3"),
    ),
    ("max_refinedweb_words", "num_refinedweb_words", "num_space_words", _REFINEDWEB, {}),
)
_REST: tuple[_Row, ...] = (
    ("min_sentences", "num_sentences", None, _OURS, {}),
    ("max_digits", "num_digits", "num_chars", _OURS, {}),
    ("max_upper", "num_upper", "num_chars", _OURS, {}),
    ("max_emails", "num_emails", None, "Dolma drops a text with more than 5 to mask", {}),
    ("max_ips", "num_ips", None, "Dolma, as above", {}),
    ("max_phones", "num_phones", None, "Dolma, as above", {}),
    ("min_compressed", "num_compressed_bytes", "num_compressible_bytes", _OURS, {}),
    ("max_compressed", "num_compressed_bytes", "num_compressible_bytes", _OURS, {}),
    (
        "min_quality_score",
        "quality_score",
        SCORE_ONE,
        "Li et al. 2024 (DCLM) and Wenzek et al. 2020 (cc_net) keep a quantile: a threshold is a "
        "model's own, on one's own text",
        {},
    ),
)

RULES: dict[str, Rule] = {
    name: Rule(
        numerator=numerator,
        denominator=denominator,
        sense="min" if name.startswith("min_") else "max",
        defaults=defaults,
        source=source,
    )
    for name, numerator, denominator, source, defaults in (
        *_LENGTH,
        *_QUALITY,
        *_REPETITION,
        *_C4_PAGES,
        *_LINES,
        *_REST,
    )
}
"""Name -> rule, in the order in which they are applied. At most 64: masks have a bit for each."""
NEED_MODEL = tuple(name for name, rule in RULES.items() if rule.numerator in SCORES)
"""Rules over scores, which the recipe's quality_model gives; their thresholds may be negative."""
