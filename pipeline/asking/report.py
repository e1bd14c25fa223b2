"""Tables for people: what came in, what was kept, and why the rest was not."""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow.parquet as pq

from corpus import schemas, storage
from corpus.sets import Manifest
from corpus.text_table import aligned
from pipeline.asking.matches_report import matches_text
from pipeline.encoding import tokenizer_report
from pipeline.fate.verdicts import REASONS

_NUM_REJECTS_SHOWN = 10


def documents_table(manifest: Manifest) -> str:
    """Return what became of the records of the raw files, source by source."""
    rows = [["source", "documents", "records", "bytes"]]
    notes: list[str] = []
    for source, counts in _by_source(manifest).items():
        rows += [[source, *row] for row in _document_rows(counts)]
        notes += _document_notes(source, counts)
    return "\n".join([aligned(rows), *notes])


def _by_source(manifest: Manifest) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for part in manifest.parts:
        found.setdefault(part.facts["source"], Counter()).update(part.counts)
    return dict(sorted(found.items()))


def _document_rows(counts: Mapping[str, int]) -> list[list[str]]:
    rows = [["in", _n(counts, "num_records"), _n(counts, "num_raw_bytes")]]
    for prefix, label in (("num_skipped_", "skipped"), ("num_rejected_", "rejected")):
        rows.extend(
            [f"  {label}: {name.removeprefix(prefix)}", f"{number:,}", ""]
            for name, number in sorted(counts.items())
            if name.startswith(prefix)
        )
    rows.append(["out", _n(counts, "num_documents"), _n(counts, "num_bytes")])
    removed = {name: number for name, number in counts.items() if name.startswith("removed_")}
    rows.extend(
        [f"  removed: {name.removeprefix('removed_').removesuffix('_bytes')}", "", f"{number:,}"]
        for name, number in sorted(removed.items(), key=lambda entry: (-entry[1], entry[0]))
        if number
    )
    return rows


def _document_notes(source: str, counts: Mapping[str, int]) -> Iterator[str]:
    if not counts["num_documents"]:
        yield f"{source}: no document; are these files what its kind reads?"
    if counts["num_inline_templates"]:
        sentences = max(1, counts["num_sentences"])
        yield (
            f"{source}: holes per 1,000 sentences (a template or formula lost in a line of prose): "
            f"{1000 * counts['num_inline_templates'] / sentences:.2f} if all were dropped, "
            f"{1000 * counts['num_holes'] / sentences:.2f} here"
        )
    replaced = [
        f"{number:,} {name.removeprefix('num_replaced_')}"
        for name, number in sorted(counts.items())
        if name.startswith("num_replaced_") and number
    ]
    if replaced:
        yield f"{source}: replaced: {', '.join(replaced)}"


def rejects_table(manifest: Manifest, url: str, paths: Mapping[str, str]) -> str:
    """Return where the first rejected records stand and what is wrong with them; "" if none is.

    Args:
        manifest: of a documents set.
        url: its folder.
        paths: sha256 of raw files -> path, as far as it is known (plan.known_paths).
    """

    def total(prefix: str) -> int:
        return sum(n for name, n in manifest.counts.items() if name.startswith(prefix))

    num_rejected = total("num_rejected_")
    num_skipped = total("num_skipped_") - sum(
        manifest.counts.get(f"num_skipped_{reason}", 0) for reason in schemas.COUNTED_ONLY
    )
    place = storage.join(url, "rejects")
    notes = [f"{num_skipped:,} skipped records are named in {place}"] if num_skipped else []
    if not num_rejected:
        return "\n".join(notes)
    rows = [["rejected because", "offset", "bytes", "file"]]
    rejected = (
        reject
        for reject in _rejects(manifest, url)
        if not reject["reason"].startswith(schemas.SKIPPED)
    )
    rows.extend(
        [
            reject["reason"],
            f"{reject['offset']:,}",
            f"{reject['num_raw_bytes']:,}",
            " / ".join(filter(None, (paths.get(reject["file"], reject["file"]), reject["member"]))),
        ]
        for reject in itertools.islice(rejected, _NUM_REJECTS_SHOWN)
    )
    if num_rejected >= len(rows):
        notes.insert(0, f"all {num_rejected:,}: {place}")
    return "\n".join([aligned(rows), *notes])


def _rejects(manifest: Manifest, url: str) -> Iterator[dict[str, Any]]:
    for part in manifest.parts:
        for name in part.files:
            if name.startswith("rejects/"):
                with storage.open_read(storage.join(url, name)) as file:
                    # In this thread: one of Arrow's own that still holds a Python object when the
                    # process ends aborts it.
                    yield from pq.ParquetFile(file).read(use_threads=False).to_pylist()


def fates_table(manifest: Manifest) -> str:
    """Return documents and bytes per source, by fate and reason, and that they add up."""
    rows = [["source", "fate", "documents", "bytes"]]
    found: dict[str, dict[str, list[int]]] = {}
    for name, number in sorted(manifest.counts.items(), key=_fate_order):
        unit, source, what = name.split(" ", 2)
        if unit in ("num_documents", "num_bytes"):
            pair = found.setdefault(source, {}).setdefault(what, [0, 0])
            pair[unit == "num_bytes"] += number
    for source, fates in found.items():
        num_cut = manifest.counts.get(f"num_cut_documents {source} kept", 0)
        for what, (num_documents, num_bytes) in fates.items():
            label = f"cut out of {num_cut:,} kept" if what == "cut" else what
            shown = "" if what == "cut" else f"{num_documents:,}"
            if what != "cut" or num_bytes:
                rows.append([source, label, shown, f"{num_bytes:,}"])
        sums = [sum(pair[i] for what, pair in fates.items() if what != "in") for i in (0, 1)]
        equal = "= in" if sums == fates["in"] else "IS NOT in"
        rows.append([source, f"sum of these {equal}", f"{sums[0]:,}", f"{sums[1]:,}"])
    return "\n".join([aligned(rows), *_not_measured_notes(manifest)])


def _not_measured_notes(manifest: Manifest) -> Iterator[str]:
    """Yield in words which rules say nothing of which documents."""
    found: dict[tuple[str, str], Counter[str]] = {}
    for name, number in manifest.counts.items():
        if name.startswith("num_not_measured "):
            _, source, rule, language = name.split(" ", 3)
            found.setdefault((source, rule), Counter())[language or "no language"] += number
    for (source, rule), languages in sorted(found.items()):
        why = ": no list of stop words" if rule == "min_stop_words" else ""
        yield (
            f"{source}: {rule} skipped for {languages.total():,} documents in "
            f"{', '.join(sorted(languages))}{why}"
        )


_FATES = ("in", "dropped", "cut", "kept")


def _fate_order(entry: tuple[str, int]) -> tuple[str, int, int, str]:
    """Order counts as the decisions are made."""
    _, source, what = entry[0].split(" ", 2)
    kind, _, reason = what.partition(" ")
    place = _FATES.index(kind) if kind in _FATES else len(_FATES)
    reasons = list(REASONS)
    return source, place, reasons.index(reason) if reason in reasons else 0, what


def shards_table(manifest: Manifest) -> str:
    """Return rows and tokens per source, subset and row length."""
    cuts = _kinds_of_cuts(manifest.counts)
    head = ["source", "subset", "row length", "documents", "pieces", "rows", "tokens", "fill"]
    rows = [[*head, *(f"{kind} cuts" for kind in cuts)]]
    counts = manifest.counts
    for name in counts:
        unit, source, subset, length = name.split(" ")
        if unit != "num_rows":
            continue
        key = f"{source} {subset} {length}"
        num_rows, num_tokens = counts[f"num_rows {key}"], counts[f"num_tokens {key}"]
        fill = num_tokens / max(1, num_rows * int(length))
        rows.append(
            [
                source,
                subset,
                length,
                f"{counts[f'num_documents {key}']:,}",
                f"{counts[f'num_pieces {key}']:,}",
                f"{num_rows:,}",
                f"{num_tokens:,}",
                f"{100 * fill:.2f} %",
                *(f"{_num_cuts(counts, kind, key):,}" for kind in cuts),
            ]
        )
    return aligned(rows)


def _num_cuts(counts: Mapping[str, int], kind: str, key: str) -> int:
    """Return cuts as packing made them, also in shards that documents were taken out of since."""
    return sum(counts.get(f"num_{what}_cuts {key}", 0) for what in (kind, f"packed_{kind}"))


def _kinds_of_cuts(counts: Mapping[str, int]) -> list[str]:
    """Return what cuts may stand behind: sentences, words, and what else there was."""
    found = {
        name.split(" ")[0].split("_")[-2]
        for name, number in counts.items()
        if number and name.split(" ")[0].endswith("_cuts")
    }
    kinds = ("sentence", "word", "letter", "character", "part", "byte")
    return [kind for kind in kinds if kind in {"sentence", "word", *found}]


def lines(command: str, manifest: Manifest, url: str, paths: Mapping[str, str]) -> str:
    """Return what to print of a stage that has just been made.

    Args:
        command: the stage.
        manifest: of its set.
        url: the set's folder.
        paths: see `rejects_table`.
    """
    counts = manifest.counts
    if command == "documents":
        tables = documents_table(manifest), rejects_table(manifest, url, paths)
        return "\n\n".join(table for table in (*tables, manifest.facts.get("determinism")) if table)
    if command == "measures":
        return f"{counts.get('num_documents', 0):,} documents measured"
    if command == "matches":
        return matches_text(manifest)
    if command == "fates":
        return fates_table(manifest)
    if command == "tokenizer":
        sample = manifest.facts.get("sample_chars", {})
        trained = ", ".join(f"{number:,} characters of {name}" for name, number in sample.items())
        head = f"vocabulary {manifest.facts['vocabulary']:,}" + (
            f", trained on {trained}" if trained else ", pinned"
        )
        if (own := manifest.facts.get("pinned_digest")) not in (
            None,
            manifest.facts["tokenizer_digest"],
        ):
            head += (
                f"\nits post-processor was replaced: {own[:16]} sets no [CLS] and [SEP] around a "
                "text as all rows have them, and AutoTokenizer would not"
            )
        return "\n\n".join([head, *tokenizer_report.checks_text(manifest.facts.get("checks", []))])
    return "\n\n".join(
        [
            "\n".join([shards_table(manifest), *_forgotten_notes(manifest)]),
            tokenizer_report.encoder_text(manifest.facts["encoder"]),
            *tokenizer_report.checks_text(manifest.facts["tokenizer_checks"]),
        ]
    )


def _forgotten_notes(manifest: Manifest) -> Iterator[str]:
    """Yield in words what was taken out of the rows after they were packed."""
    if "forgotten" in manifest.facts:
        reasons = manifest.identity["forgotten"]["reasons"]
        listed = ", ".join(
            f"{num:,} ({reason or 'no reason given'})" for reason, num in reasons.items()
        )
        shards = manifest.facts["forgotten"]["shards"]
        yield (
            f"forgotten documents: {listed}; {len(shards):,} of {len(manifest.parts):,} shards "
            "held one. Cuts are those of packing, forgotten documents' too"
        )


def _n(counts: Mapping[str, int], name: str) -> str:
    return f"{counts.get(name, 0):,}"
