"""`diff A B`: which documents two selections keep, and why the other one does not."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from corpus import identity, sets, storage
from corpus.sets import Manifest
from corpus.text_table import aligned
from pipeline import parts
from pipeline.asking.ledger import Ledger, open_ledger
from pipeline.encoding import fertility
from pipeline.fate import verdicts
from pipeline.recipe import load

_SET_ID = re.compile(r"[0-9a-f]{16}")
ABSENT = "absent"
"""The fate of a document in a selection whose documents it is not among."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """One fates set."""

    label: str
    manifest: Manifest
    url: str
    ledger: Ledger | None
    """Of its corpus, where a recipe or a corpus was named."""


@dataclass(frozen=True, kw_only=True)
class Joined:
    """[N] The documents of both selections, each once, sorted by (source, id)."""

    ids: NDArray[np.uint64]
    sources: list[str]
    source: NDArray[np.int64]
    """Index into `sources`."""
    fates: list[str]
    """"kept", reasons, and ABSENT."""
    fate: tuple[NDArray[np.int64], NDArray[np.int64]]
    """In each selection, index into `fates`."""
    num_bytes: tuple[NDArray[np.int64], NDArray[np.int64]]
    """That go on if it is kept; 0 where it is absent."""


def find(name: str, *, data: str, dump: str = "") -> Selection:
    """Find a selection.

    Args:
        name: a recipe (path or shipped name), the name of a corpus in DATA, or a fates set's id.
        data: the DATA folder or URL.
        dump: what ${DUMP} in a recipe stands for.

    Raises:
        ValueError: there is none; the message says what to run.
    """
    if _SET_ID.fullmatch(name) and sets.has_manifest(sets.folder(data, "fates", name)):
        return _selection(name, name, data=data, ledger=None)
    corpora = sets.list_corpora(data)
    if name in corpora:
        own = open_ledger(name, data=data)
        return _selection(name, own.manifest("fates").id, data=data, ledger=own)
    try:
        recipe = load(name, variables={"DUMP": dump or "-"})
    except ValueError as error:
        raise ValueError(
            f"{name!r} is no fates set of {data}, no corpus there "
            f"({', '.join(corpora) or 'it has none'}) and no recipe: {error}"
        ) from error
    own = open_ledger(recipe.name, data=data) if recipe.name in corpora else None
    found = own.fates_id(recipe) if own and "matches" in own.manifests else ""
    if not found or not sets.has_manifest(sets.folder(data, "fates", found)):
        raise ValueError(
            f"{name}: no fates of this recipe yet; run `make fates RECIPE={name} DATA={data}`"
        )
    return _selection(name, found, data=data, ledger=own)


def _selection(label: str, set_id: str, *, data: str, ledger: Ledger | None) -> Selection:
    url = sets.folder(data, "fates", set_id)
    return Selection(label=label, manifest=sets.read_manifest(url), url=url, ledger=ledger)


def _read(selection: Selection) -> pa.Table:
    columns = ["id", "source", "rule", "num_bytes", "num_cut_bytes"]
    dictionaries = ["source", "rule"]
    tables = [
        parts.open_parquet(
            storage.join(selection.url, part.file()), read_dictionary=dictionaries
        ).read(columns=columns)
        for part in selection.manifest.parts
    ]
    return pa.concat_tables(tables)


def join(a: pa.Table, b: pa.Table) -> Joined:
    """Join two ledgers (columns id, source, rule, num_bytes, num_cut_bytes) by document."""
    names = [*verdicts.REASONS, "kept", ABSENT]
    ids = np.unique(np.concatenate([a["id"].to_numpy(), b["id"].to_numpy()]))
    sources = sorted({name for table in (a, b) for name in parts.dictionary(table["source"])[1]})
    source = np.zeros(len(ids), dtype=np.int64)
    fate: list[NDArray[np.int64]] = []
    num_bytes: list[NDArray[np.int64]] = []
    for table in (a, b):
        at = np.searchsorted(ids, table["id"].to_numpy())
        codes, found = parts.dictionary(table["source"])
        source[at] = np.array([sources.index(name) for name in found], dtype=np.int64)[codes]
        codes, found = parts.dictionary(table["rule"], null="kept")
        # A selection of another version may have reasons that are not known here.
        names.extend(name for name in found if name not in names)
        fate.append(np.full(len(ids), names.index(ABSENT), dtype=np.int64))
        fate[-1][at] = np.array([names.index(name) for name in found], dtype=np.int64)[codes]
        num_bytes.append(np.zeros(len(ids), dtype=np.int64))
        num_bytes[-1][at] = table["num_bytes"].to_numpy() - table["num_cut_bytes"].to_numpy()
    order = np.lexsort((ids, source))
    return Joined(
        ids=ids[order],
        sources=sources,
        source=source[order],
        fates=names,
        fate=(fate[0][order], fate[1][order]),
        num_bytes=(num_bytes[0][order], num_bytes[1][order]),
    )


def changes(joined: Joined) -> list[tuple[str, NDArray[np.bool_], int]]:
    """Return what may have become of a document from A to B: name, mask, whose bytes count."""
    kept, absent = joined.fates.index("kept"), joined.fates.index(ABSENT)
    a, b = joined.fate
    return [
        ("kept in both", (a == kept) & (b == kept), 1),
        ("gained", (a != kept) & (a != absent) & (b == kept), 1),
        ("lost", (a == kept) & (b != kept) & (b != absent), 0),
        ("kept, only in A", (a == kept) & (b == absent), 0),
        ("kept, only in B", (a == absent) & (b == kept), 1),
    ]


def answer(a: Selection, b: Selection, *, list_to: str = "") -> str:
    """Return what to print of two selections, and write the ids that differ where asked."""
    joined = join(_read(a), _read(b))
    own = a.ledger or b.ledger
    ratios, origin = fertility.bytes_per_token(own) if own else ({}, "")
    head = ["source", "from A to B", "fate in the other", "documents", "bytes"]
    rows = [[*head, *(["tokens (estimated)"] if ratios else [])]]
    for number, source in enumerate(joined.sources):
        mine = joined.source == number
        for name, mask, side in changes(joined):
            rows.extend(
                [
                    source,
                    name,
                    reason,
                    f"{num:,}",
                    f"{size:,}",
                    *([fertility.tokens(size, source, ratios)] if ratios else []),
                ]
                for reason, num, size in _by_reason(joined, mine & mask, side)
            )
    lines = [
        f"A: {a.label}: {a.url}\nB: {b.label}: {b.url}",
        aligned(rows) if len(rows) > 1 else "neither keeps a document",
    ]
    other = int(((joined.num_bytes[0] != joined.num_bytes[1]) & changes(joined)[0][1]).sum())
    if other:
        lines.append(f"{other:,} of the documents kept in both have another length in B")
    if ratios:
        lines.append(f"tokens: estimated {origin}")
    if list_to:
        num = write_list(joined, list_to)
        lines.append(f"{list_to}: {num:,} documents that only one of them keeps")
    return "\n\n".join(lines)


def _by_reason(joined: Joined, mask: NDArray[np.bool_], side: int) -> list[tuple[str, int, int]]:
    """Return documents and bytes of a change by the fate in the selection that does not keep it."""
    other = joined.fate[1 - side][mask]
    size = joined.num_bytes[side][mask]
    return [
        (joined.fates[code], int((other == code).sum()), int(size[other == code].sum()))
        for code in np.unique(other).tolist()
    ]


def write_list(joined: Joined, url: str) -> int:
    """Write the documents that one selection keeps and the other does not, one a line (TSV)."""
    kept = joined.fates.index("kept")
    differ = np.flatnonzero((joined.fate[0] == kept) != (joined.fate[1] == kept))
    with storage.create(url) as file:
        file.write(b"id\tsource\tfate in A\tfate in B\n")
        for row in differ.tolist():
            values: list[Any] = [
                identity.show_id(int(joined.ids[row])),
                joined.sources[joined.source[row]],
                *(joined.fates[fate[row]] for fate in joined.fate),
            ]
            file.write(("\t".join(values) + "\n").encode())
    return len(differ)
