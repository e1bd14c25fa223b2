"""`why WHAT`: one document's whole life, from its raw file to its rows."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from corpus import schemas, storage
from corpus.identity import show_id
from corpus.text_table import aligned
from pipeline import parts, plan
from pipeline.asking import kin
from pipeline.asking.find import Found, Place, by_id, find
from pipeline.asking.kin import NUM_SHOWN, show_number
from pipeline.asking.ledger import Ledger
from pipeline.fate import rules, terms
from pipeline.fate.terms import Terms
from pipeline.forgetting import forgotten
from pipeline.recipe import Recipe
from pipeline.text import language

_SAMPLE_CHARS = 600


def answer(
    recipe: Recipe, ledger: Ledger, what: str, *, samples: bool, show: Callable[[str], None]
) -> int:
    """Show the life of the one document that is meant, or which may be meant.

    Args:
        recipe: of the corpus.
        ledger: its sets.
        what: see `find.find`.
        samples: whether to show some of the text.
        show: prints.

    Returns:
        0, or 2 where there is no such document.
    """
    found = find(ledger, what)
    if len(found.documents) == 1:
        for section in life(recipe, ledger, found.documents[0], samples=samples):
            show(section + "\n")
    elif found.documents:
        show(_choice(found, what))
    for reject in found.rejects[:NUM_SHOWN]:
        show(_rejected(ledger, reject))
    if found.documents or found.rejects:
        return 0
    show(
        f"{what!r}: not found; looked at {', '.join(found.looked_at)} of "
        f"{ledger.url('documents')}. Redirects, pages of other namespaces, records of an archive "
        "that are no pages and what was not drawn are counted in `make report`, but not named; of "
        "a text give at least eight characters as they stand there"
    )
    return 2


def _choice(found: Found, what: str) -> str:
    num = len(found.documents)
    rows = [["id", "source", "key", "title"]]
    rows.extend(
        [show_id(place.id), place.source, place.key, place.title]
        for place in found.documents[:NUM_SHOWN]
    )
    more = f"\n... and {num - NUM_SHOWN:,} more" if num > NUM_SHOWN else ""
    return f"{num:,} documents: each {found.how} {what!r}; ask for one by id\n{aligned(rows)}{more}"


def _rejected(ledger: Ledger, reject: dict[str, Any]) -> str:
    path = plan.known_paths(ledger.data).get(reject["file"], f"sha256 {reject['file']}")
    place = " / ".join(filter(None, (path, reject["member"])))
    reason = reject["reason"].removeprefix(schemas.SKIPPED)
    what = "rejected" if reason == reject["reason"] else "skipped"
    return (
        f"{reject['title'] or reject['key']} ({reject['source']}): {what} when it was read: "
        f"{reason}; {reject['num_raw_bytes']:,} bytes at offset {reject['offset']:,} of "
        f"{place}"
    )


def life(recipe: Recipe, ledger: Ledger, place: Place, *, samples: bool) -> Iterator[str]:
    """Yield what is known of a document, section by section, as far as stages were made."""
    row = _row(ledger, "documents", place)
    yield _origin(ledger, place, row)
    if samples:
        more = " ..." if len(row["text"]) > _SAMPLE_CHARS else ""
        yield f"text\n{row['text'][:_SAMPLE_CHARS]}{more}"
    fate = _row(ledger, "fates", place) if ledger.is_current("fates") else None
    yield _fate(fate, ledger) if fate else _not_yet(ledger, "fates")
    if fate and fate["stage"] == "contamination":
        yield kin.example(recipe, fate)
    if (reason := forgotten.read(ledger.data, ledger.name).get(place.id)) is not None:
        yield f"forgotten: {reason or 'no reason given'}; `make shards` leaves it out of the rows"
    if fate and ledger.fates_id(recipe) != ledger.manifest("fates").id:
        yield (
            "note: the recipe has changed since these fates were made; the thresholds below are "
            "those of the recipe now"
        )
    if not ledger.is_current("measures"):
        yield _not_yet(ledger, "measures")
    elif place.source in (own := terms.of(recipe)).rules:
        yield _measures(_row(ledger, "measures", place), own)
    if ledger.is_current("matches"):
        yield kin.matches(ledger, place)
        yield from kin.cuts(ledger, place)
    if fate:
        yield from kin.cluster(ledger, place, fate)
    if "shards" in ledger.manifests:
        yield kin.rows(ledger, place)


def _not_yet(ledger: Ledger, folder: str) -> str:
    if folder in ledger.manifests:
        return f"{folder}: made from earlier sets; `make {folder}` renews them"
    return f"{folder}: not made yet; `make {folder}`"


def _row(ledger: Ledger, folder: str, place: Place) -> dict[str, Any]:
    """Return a document's row in one of the sets."""
    (entry,) = (entry for entry in ledger.inputs(folder) if entry["name"] == place.part)
    file = parts.open_parquet(entry["url"])
    names = file.schema_arrow.names
    columns = [name for name in names if name not in ("signature", "exact")]
    before = 0
    for group in range(file.num_row_groups):
        num_rows = file.metadata.row_group(group).num_rows
        if place.row < before + num_rows:
            table = file.read_row_group(group, columns=columns)
            (row,) = table.slice(place.row - before, 1).to_pylist()
            assert row["id"] == place.id, "parts of one name hold different documents"
            return row
        before += num_rows
    raise AssertionError(f"{entry['url']} has no row {place.row}")


def _origin(ledger: Ledger, place: Place, row: dict[str, Any]) -> str:
    (part,) = (part for part in ledger.manifest("documents").parts if part.name == place.part)
    raw = part.facts.get("raw", {})
    path = plan.known_paths(ledger.data).get(raw.get("sha256", ""))
    if path is None and raw.get("form") == "group":
        path = "a group of small files"
    path = path or f"a file of sha256 {raw.get('sha256', 'unknown')}"
    span = f", bytes {raw['start']:,} to {raw['end']:,}" if raw else ""
    said = ", ".join(
        f"{name} {row[name]}" for name in ("author", "date", "url", "language") if row[name]
    )
    return "\n".join(
        [
            f"{place.title or place.key}",
            f"  id {show_id(place.id)}, source {place.source}, key {place.key}",
            *([f"  {said}"] if said else []),
            f"  from {path}{span}",
            f"  {row['num_raw_bytes']:,} bytes of input, {len(row['text'].encode()):,} of text",
            f"  row {place.row:,} of {storage.join(ledger.url('documents'), part.file())}",
        ]
    )


def _fate(fate: dict[str, Any], ledger: Ledger) -> str:
    if fate["verdict"] == "kept":
        return f"fate: kept, {fate['subset']}"
    value, threshold = show_number(fate["value"]), show_number(fate["threshold"])
    measured = f"{value}, threshold {threshold}"
    if fate["rule"] == "language":
        # The score is that of another language, and no threshold would help.
        measured = f"it is {fate['language']} ({value}), not as declared"
    elif fate["rule"] == "near_duplicate":
        # The survivor may be less similar, and of one cluster through others.
        measured = f"{value} with the nearest of its cluster, threshold {threshold}"
    lines = [f"fate: dropped by {fate['rule']} ({fate['stage']}): {measured}"]
    if fate["survivor"] is not None:
        inside = fate["corpus"] is None
        other = by_id(ledger, [fate["survivor"]]).get(fate["survivor"]) if inside else None
        named = f" ({other.title or other.key}, {other.source})" if other else ""
        where = f" of {fate['corpus']}" if fate["corpus"] is not None else ""
        kept = "it holds example" if fate["stage"] == "contamination" else "kept in its place:"
        lines.append(f"  {kept} {show_id(fate['survivor'])}{where}{named}")
    return "\n".join(lines)


def _measures(row: dict[str, Any], own: Terms) -> str:
    """Return every rule of the source beside the document's value, failing ones marked."""
    rows = [["rule", "value", "threshold", "verdict"]]
    if own.checks_language[row["source"]]:
        (code,) = language.verdicts(
            [row["declared"]],
            [row["language"]],
            np.array([row["language_score"]]),
            own.min_language_score,
        ).tolist()
        rows.append(
            [
                "language",
                f"{row['language']} ({show_number(row['language_score'] / 10_000)})",
                f"{row['declared'] or 'any'} ({show_number(float(own.min_language_score))})",
                "FAILS" if code else "passes",
            ]
        )
    numbers = {name: np.array([row[name]]) for name in own.metrics()}
    for name, threshold in own.rules[row["source"]].items():
        rule = rules.RULES[name]
        broken = rules.apply(numbers, {name: threshold}).rule[0] >= 0
        top = row[rule.numerator]
        bottom = row[rule.denominator] if isinstance(rule.denominator, str) else rule.denominator
        value = f"{top:,}"
        if bottom is not None:
            value = f"{show_number(top / bottom) if bottom else '-'} = {top:,} / {bottom:,}"
        verdict = "FAILS" if broken else "passes"
        if not rules.is_measured(rule, numbers)[0]:
            language_of = row["declared"] or "its language"
            what = "of it" if name in rules.NEED_MODEL else f"in {language_of}"
            value, verdict = "not measured", f"says nothing {what}"
        rows.append([name, value, f"{rule.sense} {show_number(float(threshold))}", verdict])
    return f"measures\n{aligned(rows)}" if len(rows) > 1 else "measures: its source has no rules"
