"""Tables for people: what a tokenizer makes of the text, and what encoded it."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from corpus.text_table import aligned


def encoder_text(encoder: Mapping[str, Any]) -> str:
    """Say what encoded the text, and why nothing faster."""
    named = f"tokenizers {encoder['version']}"
    if encoder["encoder"] == "gigatoken":
        named = f"gigatoken {encoder['version']}"
    elif encoder["encoder"] == "words":
        named += ", once for each different word"
    return "\n".join(
        [
            f"encoded by {named}; its ids are those of tokenizers on {encoder['num_documents']:,} "
            f"texts of {encoder['num_bytes'] / 1e6:.1f} MB",
            *(f"not by {name}: {reason}" for name, reason in encoder["refused"].items()),
        ]
    )


def checks_text(checks: Sequence[dict[str, Any]]) -> list[str]:
    """Return the paragraphs about how long a tokenizer's tokens are, unknown and lost text."""
    if not checks:
        return []
    return [aligned(_rates(checks)), "\n".join([_summary(checks), *_without_marks(checks)])]


def _rates(checks: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Return rows of a table of checks, the head first: for each source, and language in it."""
    rows = [["source", "language", "documents", "bytes", *_PER_TOKEN, "tokens per word", "unknown"]]
    for source, own in groupby(checks, key=lambda one: one["source"]):
        languages = list(own)
        total = {
            name: sum(one[name] for one in languages)
            for name in languages[0]
            if name.startswith("num_")
        }
        entries = [("all", total)] if len(languages) > 1 else []
        for language, one in [*entries, *((one["language"], one) for one in languages)]:
            rows.append(
                [
                    source,
                    language or "-",
                    f"{one['num_documents']:,}",
                    f"{one['num_bytes']:,}",
                    *(_ratio(one.get(name, 0), one["num_tokens"]) for name in _PER_TOKEN.values()),
                    _tokens_per_word(one),
                    f"{100 * one['num_unknown'] / max(1, one['num_tokens']):.3f} %",
                ]
            )
    return rows


_MOST_MARKS = 0.01
"""Of the characters that may be marks which the normalizer takes out: languages with accents put
them into letters, so more are vowels."""
_PER_TOKEN = {"bytes per token": "num_bytes", "characters per token": "num_chars"}


def _ratio(one: int, other: int) -> str:
    return f"{one / other:.2f}" if one and other else "-"


def _tokens_per_word(one: Mapping[str, Any]) -> str:
    """Return the ratio, unless most words are letters of scripts written without spaces."""
    if 2 * one.get("num_letters", 0) > one["num_words"]:
        return "-"
    return _ratio(one["num_tokens"], one["num_words"])


def _without_marks(checks: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield a line for each language in which the normalizer takes out much of the text."""
    for one in checks:
        if (share := one.get("num_marks", 0) / max(1, one.get("num_chars", 0))) > _MOST_MARKS:
            yield (
                f"NOT as written: {one['source']} {one['language']} loses its marks, "
                f"{100 * share:.1f} % of its characters; `lowercase = false` keeps them"
            )


def _summary(checks: Sequence[dict[str, Any]]) -> str:
    """Say whether the texts came back."""
    num = sum(one["num_documents"] for one in checks)
    num_changed = sum(one["num_changed"] for one in checks)
    if not num_changed:
        return f"decoded back: of {num:,} sampled documents all that are known in full"
    sources = sorted({one["source"] for one in checks if one["num_changed"]})
    return (
        f"NOT decoded back: {num_changed:,} of {num:,} sampled documents, of {', '.join(sources)}; "
        "the tokenizer loses or changes characters"
    )
