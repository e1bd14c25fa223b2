"""Conservation: every document that came in is kept or dropped, and every byte is accounted for."""

from typing import Any

import pyarrow as pa
import pyarrow.compute

from pipeline.fate import rules
from pipeline.fate.terms import Terms
from pipeline.measure import metric_table

pc: Any = pyarrow.compute  # its functions are made at import, and declared nowhere


def counts(table: pa.Table) -> dict[str, int]:
    """Count documents and bytes of fates by source and by subset or reason.

    Returns:
        `num_documents SOURCE WHAT` and `num_bytes SOURCE WHAT`, where WHAT is "in", "kept SUBSET"
        or "dropped REASON"; bytes are those that go on, and those cut out of kept documents are
        `num_bytes SOURCE cut` (of `num_cut_documents SOURCE kept` documents).
    """
    kept = pc.is_null(table["rule"])
    cut = pc.if_else(kept, table["num_cut_bytes"], 0)
    columns = {
        "source": table["source"],
        "subset": table["subset"],
        "rule": table["rule"],
        "arrived": table["num_bytes"],
        "cut": cut,
        "is_cut": pc.greater(cut, 0).cast(pa.int64()),
    }
    sums = (
        pa.table(columns)
        .group_by(["source", "subset", "rule"])
        .aggregate(
            [("arrived", "count"), *((name, "sum") for name in ("arrived", "cut", "is_cut"))]
        )
    )
    result: dict[str, int] = {}
    for row in sums.to_pylist():
        source, what = row["source"], f"dropped {row['rule']}"
        if row["rule"] is None:
            what = f"kept {row['subset']}"
        for name, number in (
            (f"num_documents {source} in", row["arrived_count"]),
            (f"num_bytes {source} in", row["arrived_sum"]),
            (f"num_documents {source} {what}", row["arrived_count"]),
            (f"num_bytes {source} {what}", row["arrived_sum"] - row["cut_sum"]),
            (f"num_bytes {source} cut", row["cut_sum"]),
            (f"num_cut_documents {source} kept", row["is_cut_sum"]),
        ):
            if number or what in name or name.endswith(" in"):
                result[name] = result.get(name, 0) + number
    return result


def not_measured(batch: pa.RecordBatch, own: Terms) -> dict[str, int]:
    """Count documents by a rule that their source has, but that says nothing of them.

    Returns:
        `num_not_measured SOURCE RULE LANGUAGE`.
    """
    result: dict[str, int] = {}
    for name in sorted({name for chosen in own.rules.values() for name in chosen}):
        metric = rules.RULES[name].numerator
        missing = pc.equal(batch.column(metric), metric_table.not_measured(metric))
        if not pc.any(missing).as_py():
            continue
        found = batch.select(["source", "declared"]).filter(missing)
        pairs = zip(found["source"].to_pylist(), found["declared"].to_pylist(), strict=True)
        for source, language in pairs:
            if name in own.rules[source]:
                key = f"num_not_measured {source} {name} {language}"
                result[key] = result.get(key, 0) + 1
    return result


def conserved(totals: dict[str, int]) -> dict[str, int]:
    """Assert of the sums of `counts` that in = kept + dropped + cut, in documents and bytes.

    Returns:
        Documents by source.
    """
    sums: dict[tuple[str, str], list[int]] = {}
    for name, number in totals.items():
        unit, source, what = name.split(" ", 2)
        if unit in ("num_documents", "num_bytes"):
            sums.setdefault((unit, source), [0, 0])[what != "in"] += number
    for (unit, source), (arrived, decided) in sums.items():
        assert arrived == decided, f"{unit} of {source}: {arrived} in, {decided} accounted for"
    return {source: pair[0] for (unit, source), pair in sums.items() if unit == "num_documents"}
