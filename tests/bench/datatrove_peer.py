"""Runs under the peer's own interpreter: datatrove's words, sentences and verdicts, rule by rule.

Reads JSON lines {"text": ...} and writes one JSON line for each: the spans of its words, the number
of sentences of each line that it counted, and for each of our rules whether its filter, with every
other rule switched off, drops the text. It never imports gristmill.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
    c4_filters,
)
from datatrove.pipeline.filters.c4_filters import C4ParagraphFilter
from datatrove.utils.text import split_into_words

NO_REPETITION = {
    "dup_line_frac": None,
    "dup_para_frac": None,
    "dup_line_char_frac": None,
    "dup_para_char_frac": None,
    "top_n_grams": (),
    "dup_n_grams": (),
}
NO_QUALITY = {
    "min_doc_words": None,
    "max_doc_words": None,
    "min_avg_word_length": None,
    "max_avg_word_length": None,
    "max_symbol_word_ratio": None,
    "max_bullet_lines_ratio": None,
    "max_ellipsis_lines_ratio": None,
    "max_non_alpha_words_ratio": None,
    "min_stop_words": None,
}
NO_FINEWEB = {
    "line_punct_thr": 0.0,
    "short_line_thr": 2.0,
    "char_duplicates_ratio": 2.0,
    "new_line_ratio": float("inf"),
}
ONLY_LOREM = {"filter_curly_bracket": False, "min_num_sentences": -1}
ONLY_CURLY = {"filter_lorem_ipsum": False, "min_num_sentences": -1}
ONLY_SENTENCES = {"filter_lorem_ipsum": False, "filter_curly_bracket": False}


def repetition(**rule: Any) -> Any:
    return GopherRepetitionFilter(**{**NO_REPETITION, **rule})


def quality(**rule: Any) -> Any:
    return GopherQualityFilter(**{**NO_QUALITY, **rule})


def fineweb(**rule: Any) -> Any:
    return FineWebQualityFilter(**{**NO_FINEWEB, **rule})


def alone() -> dict[str, tuple[Any, str]]:
    """Return our rule -> its filter with all else off, and the reason that it gives."""
    rules: dict[str, tuple[Any, str]] = {
        "min_chars": (repetition(), "empty"),
        "min_words": (quality(min_doc_words=50), "gopher_short_doc"),
        "max_words": (quality(max_doc_words=100000), "gopher_long_doc"),
        "min_mean_word_chars": (quality(min_avg_word_length=3), "gopher_below_avg_threshold"),
        "max_mean_word_chars": (quality(max_avg_word_length=10), "gopher_above_avg_threshold"),
        "max_hash_ratio": (quality(max_symbol_word_ratio=0.1), "gopher_too_many_hashes"),
        "max_ellipsis_ratio": (quality(max_symbol_word_ratio=0.1), "gopher_too_many_ellipsis"),
        "max_bullet_lines": (quality(max_bullet_lines_ratio=0.9), "gopher_too_many_bullets"),
        "max_ellipsis_lines": (
            quality(max_ellipsis_lines_ratio=0.3),
            "gopher_too_many_end_ellipsis",
        ),
        "min_alpha_words": (quality(max_non_alpha_words_ratio=0.8), "gopher_below_alpha_threshold"),
        "min_stop_words": (quality(min_stop_words=2), "gopher_enough_stop_words"),
        "max_duplicate_lines": (repetition(dup_line_frac=0.3), "dup_line_frac"),
        "max_duplicate_paragraphs": (repetition(dup_para_frac=0.3), "dup_para_frac"),
        "max_duplicate_line_chars": (repetition(dup_line_char_frac=0.2), "dup_line_char_frac"),
        "max_duplicate_paragraph_chars": (repetition(dup_para_char_frac=0.2), "dup_para_char_frac"),
        "min_long_lines": (C4ParagraphFilter(), "< 3 paragraphs"),
        "min_text_lines": (fineweb(), "empty"),
        "min_terminal_lines": (fineweb(line_punct_thr=0.12), "line_punct_ratio"),
        "max_short_lines": (fineweb(short_line_thr=0.67), "short_line_ratio"),
        "max_text_line_duplicate_chars": (fineweb(char_duplicates_ratio=0.01), "char_dup_ratio"),
        "max_newlines": (fineweb(new_line_ratio=0.3), "list_ratio"),
    }
    for n, limit in ((2, 0.2), (3, 0.18), (4, 0.16)):
        rules[f"max_top_{n}gram_chars"] = (
            repetition(top_n_grams=((n, limit),)),
            f"top_{n}_gram",
        )
    for n, limit in ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10)):
        rules[f"max_duplicate_{n}gram_chars"] = (
            repetition(dup_n_grams=((n, limit),)),
            f"duplicated_{n}_n_grams",
        )
    for family, options in (
        ("c4_datatrove", {}),
        ("c4_fineweb", {"filter_no_terminal_punct": False}),
    ):
        rules[f"max_{family}_lorem_lines"] = (
            C4QualityFilter(**ONLY_LOREM, **options),
            "lorem_ipsum",
        )
        rules[f"max_{family}_curly_lines"] = (
            C4QualityFilter(**ONLY_CURLY, **options),
            "curly_bracket",
        )
        rules[f"min_{family}_sentences"] = (
            C4QualityFilter(**ONLY_SENTENCES, **options),
            "too_few_sentences",
        )
    return rules


def reason(one: Any, text: str) -> str:
    """Return why a filter drops a text; "" if it keeps it."""
    try:
        verdict = one.filter(Document(text=text, id="0"))
    except ZeroDivisionError:
        return "0/0"  # no words, or no lines: a rule before it has dropped such a text
    return "" if verdict is True else verdict[1]


def chains() -> dict[str, list[Any]]:
    """Return presets as datatrove runs them; C4 cuts lines before FineWeb's filter looks."""
    no_stop = {"filter_no_terminal_punct": False}
    return {
        "gopher": [GopherRepetitionFilter(), GopherQualityFilter()],
        "fineweb": [
            GopherRepetitionFilter(),
            GopherQualityFilter(),
            C4QualityFilter(**no_stop),
            FineWebQualityFilter(),
        ],
    }


def kept_by(filters: list[Any], text: str) -> bool:
    document = Document(text=text, id="0")
    return all(one.filter(document) is True for one in filters)


def spans(text: str) -> list[tuple[int, int]]:
    found, at = [], 0
    for word in split_into_words(text):
        at = text.index(word, at)
        found.append((at, at + len(word)))
        at += len(word)
    return found


def remembering(function: Callable[..., list[str]], memory: dict[str, int]) -> Callable[..., Any]:
    """Keep the number of sentences of each line, so that each is cut once."""

    def count(line: str, language: str) -> range:
        if line not in memory:
            memory[line] = len(function(line, language))
        return range(memory[line])

    return count


def main() -> None:
    rules, presets = alone(), chains()
    memory: dict[str, int] = {}
    c4_filters.split_into_sentences = remembering(c4_filters.split_into_sentences, memory)
    for row in sys.stdin:
        text = json.loads(row)["text"]
        memory.clear()
        found = spans(text)
        verdicts = {}
        for name, (one, wanted) in rules.items():
            given = reason(one, text)
            # Another reason of the same filter hides this rule: it cannot be asked.
            verdicts[name] = {"": False, wanted: True}.get(given)
        kept = {name: kept_by(filters, text) for name, filters in presets.items()}
        answer = {"spans": found, "sentences": memory, "verdicts": verdicts, "kept": kept}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
