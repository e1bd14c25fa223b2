"""What stage `matches` found, for people: pairs, earlier corpora, the certificate, lines."""

from collections.abc import Iterator

from corpus.sets import Manifest
from corpus.text_table import aligned


def matches_text(manifest: Manifest) -> str:
    """Return what a matches set holds."""
    return "\n".join([_pairs(manifest), *_earlier(manifest), *_lines(manifest), *_tasks(manifest)])


def _pairs(manifest: Manifest) -> str:
    counts = manifest.counts
    return (
        f"{counts.get('num_exact', 0):,} exact and {counts.get('num_near', 0):,} near "
        "duplicate pairs stored (Jaccard >= 0.7, verified)"
    )


def _earlier(manifest: Manifest) -> Iterator[str]:
    counts = manifest.counts
    exact = "num_earlier_exact "
    for name in (key.removeprefix(exact) for key in counts if key.startswith(exact)):
        yield (
            f"{name}: {counts[exact + name]:,} documents stand there too; "
            f"{counts[f'num_earlier_near {name}']:,} near duplicate pairs with it"
        )


def _lines(manifest: Manifest) -> Iterator[str]:
    counts = manifest.counts
    if "num_cut_lines" in counts:
        yield (
            f"{counts['num_cut_lines']:,} cuts in {counts['num_cut_documents']:,} documents; "
            f"{counts['num_spared_documents']:,} more would have lost over half of their text to "
            "boilerplate, and keep it"
        )


def _tasks(manifest: Manifest) -> Iterator[str]:
    """Yield the certificate: what was looked for, and what was found of it."""
    tasks = manifest.facts.get("contamination", {})
    if not tasks:
        return
    rows = [["task", "examples", "n-grams", "found", "in documents", "too short", "unreadable"]]
    rows.extend(
        [
            task,
            *(
                f"{counts[name]:,}"
                for name in (
                    "num_examples",
                    "num_ngrams",
                    "num_examples_found",
                    "num_documents",
                    "num_short",
                    "num_unreadable",
                )
            ),
        ]
        for task, counts in sorted(tasks.items())
    )
    yield ""
    yield aligned(rows)
    yield (
        "found: at least one n-gram of the example stands in a document; too short: not looked "
        "for (see contamination_least_words)"
    )
