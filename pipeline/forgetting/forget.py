"""`forget --ids FILE`: take documents out of a corpus' shards, and keep them out.

    1. the new set is made beside the old one (forget_set); its manifest is written last
    2. the ids go into the corpus' list (forgotten)
    3. the corpus points at the new set

Whoever is killed in between leaves the old set in use, whole; the same command goes on from there.
`make shards` makes the set that its recipe asks for and takes the listed documents out of it in the
same way, so the same recipe and list give the same bytes whatever came first. The text itself
stands elsewhere too (holders).
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from corpus import keep, sets
from corpus.identity import show_id
from corpus.lock import locked
from corpus.sets import Manifest
from corpus.shards import ShardSet
from corpus.text_table import aligned
from pipeline import fates, parts
from pipeline.asking.ledger import Ledger, open_ledger
from pipeline.forgetting import forget_set, forgotten, holders
from pipeline.forgetting.forgotten import Listed
from pipeline.running import flow
from pipeline.running.runner import Runner

log = logging.getLogger(__name__)

_NUM_SHOWN = 10
"""Entries of a list that are shown."""


def make_shards(
    stage: flow.Stage, name: str, *, data: str, runner: Runner
) -> tuple[Manifest, bool]:
    """Make the shards of a recipe, without the documents that its corpus forgot.

    Args:
        stage: of the recipe.
        name: of the corpus.
        data: the DATA folder or URL; its lock is held.
        runner: see `flow.make`.

    Returns:
        See `flow.make`.
    """
    listed = forgotten.read(data, name)
    if not listed:
        return flow.make(stage, data=data, runner=runner)
    url = forget_set.url_without(stage.identity, listed, data=data)
    if sets.has_manifest(url):
        return sets.read_manifest(url), False
    packed, is_new = flow.make(stage, data=data, runner=runner)
    manifest = forget_set.make(packed, listed, data=data)
    if is_new:
        # It was made only to be rewritten, and it holds what must not be there.
        keep.remove(sets.folder(data, "shards", packed.id))
    return manifest, True


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a command asks for, found in a corpus."""

    listed: Listed
    """What is forgotten of the corpus already, and what is to be."""
    source: Manifest
    """The set to take documents out of, or the one that lacks them all."""
    num_new: int
    """Documents that were not listed before."""


def find(ledger: Ledger, ids: Mapping[int, str], *, reason: str) -> Wanted:
    """Find the documents to forget, given as `forgotten.read_ids` returns them.

    Raises:
        ValueError: an id is not in the corpus; or the list was edited, and no set is left to make
            the shards from.
    """
    current = ledger.manifest("shards")
    before = forgotten.read(ledger.data, ledger.name)
    new = [identifier for identifier in ids if identifier not in before]
    shards = ShardSet(ledger.url("shards"), current)
    missing = forgotten.array(new)
    if "documents" in ledger.manifests:
        missing = np.setdiff1d(missing, _in_documents(ledger, missing))
    # Whoever keeps the shards only can still forget what is in them.
    for found in forget_set.affected(shards, missing).values() if len(missing) else ():
        missing = np.setdiff1d(missing, found)
    if len(missing):
        written = {ids[identifier] for identifier in missing.tolist()}
        unknown = [ids[identifier] for identifier in new if ids[identifier] in written]
        more = f" and {len(unknown) - _NUM_SHOWN:,} more" if len(unknown) > _NUM_SHOWN else ""
        raise ValueError(
            f"not in corpus {ledger.name!r}: {', '.join(unknown[:_NUM_SHOWN])}{more}; nothing was "
            f"forgotten. A key stands behind its source ({', '.join(shards.sources)}), as in "
            f"{shards.sources[0]}:KEY; `python -m pipeline why TITLE` tells the id of a document. "
            "Correct these lines, take them out, or name another --recipe"
        )
    listed = {**before, **dict.fromkeys(new, reason)}
    packed = forget_set.packed_identity(current)
    for less in (listed, before, {}):
        url = forget_set.url_without(packed, less, data=ledger.data)
        if sets.has_manifest(url):
            return Wanted(listed=listed, source=sets.read_manifest(url), num_new=len(new))
    raise ValueError(
        f"{forgotten.path(ledger.data, ledger.name)}: not the list that {ledger.url('shards')} was "
        "made with, or that set is of another version; run `make shards`, then this again"
    )


def _in_documents(ledger: Ledger, ids: forget_set.U64) -> forget_set.U64:
    """Return those of the ids that documents of the corpus have."""
    found = [np.empty(0, np.uint64)]
    for entry in ledger.inputs("documents"):
        here = parts.open_parquet(entry["url"]).read(columns=["id"])["id"].to_numpy()
        found.append(here[np.isin(here, ids)])
    return np.concatenate(found)


def answer(
    name: str,
    ids: Mapping[int, str],
    *,
    data: str,
    reason: str,
    is_dry: bool,
    is_purge: bool,
    show: Callable[[str], None],
) -> None:
    """Forget documents of a corpus, and say what became of them.

    Args:
        name: of the corpus.
        ids: of the documents, see `forgotten.read_ids`.
        data: the DATA folder or URL.
        reason: goes into the list and, with its count, into the set's manifest.
        is_dry: only say what would be done.
        is_purge: remove the shard sets that nothing uses and that hold a forgotten document, or are
            unfinished and might.
        show: prints.

    Raises:
        ValueError: see `find`; the reason has several lines; or a run holds the folder.
    """
    if len(reason.splitlines()) > 1:
        raise ValueError("--reason has several lines; say it in one")
    if is_dry:
        ledger = open_ledger(name, data=data)
        wanted = find(ledger, ids, reason=reason)
        shards = ShardSet(sets.folder(data, "shards", wanted.source.id), wanted.source)
        show(f"would forget {wanted.num_new:,} documents of corpus {name!r}; nothing is written")
        _show_before(ids, wanted, show)
        rows = list(_effect(shards, wanted.listed))
        show(aligned(rows) if len(rows) > 1 else "no shard holds one of them")
        return
    with locked(data, command="pipeline forget"):
        for folder in ("corpora", "forgotten"):
            sets.sweep(data, below=folder)
        ledger = open_ledger(name, data=data)
        wanted = find(ledger, ids, reason=reason)
        manifest = forget_set.make(wanted.source, wanted.listed, data=data)
        if wanted.num_new:
            forgotten.write(data, name, wanted.listed)
        sets.point_corpus(data, name, "shards", manifest.id)
        url, old = sets.folder(data, "shards", manifest.id), ledger.url("shards")
        num = f"{wanted.num_new:,}" if wanted.num_new else "no further"
        show(f"forgot {num} documents of corpus {name!r}: {url}")
        _show_before(ids, wanted, show)
        if url != old:
            show(f"made from {old}; all other files are the same\n\n{_rewritten(manifest)}")
        _show_kin(ledger, wanted.listed, show)
        if is_purge:
            for line in holders.purge(ledger, wanted.listed):
                show(line)
        held = list(holders.holders(ledger, wanted.listed))
        if held:
            show("\ntheir text still stands in\n" + "\n".join(f"  {line}" for line in held))
        show(
            f"\n{forgotten.path(data, name)} keeps them out of what `make shards` makes from now on"
        )


def _show_before(ids: Mapping[int, str], wanted: Wanted, show: Callable[[str], None]) -> None:
    if (num := len(ids) - wanted.num_new) and wanted.num_new:
        show(f"{num:,} more were forgotten before")


def _effect(shards: ShardSet, listed: Listed) -> Iterator[list[str]]:
    """Yield a table of what goes from which shard."""
    yield ["shard", "documents", "rows", "of", "tokens", "of"]
    hit = forget_set.affected(shards, forgotten.array(listed))
    for shard in shards.shards:
        if shard.name in hit:
            rows, documents = forget_set.taken_out(shards, shard, hit[shard.name])
            num_tokens = sum(documents["num_tokens"].to_pylist())
            yield [
                shard.name,
                f"{shard.num_documents - documents.num_rows:,}",
                f"{shard.num_rows - rows.num_rows:,}",
                f"{shard.num_rows:,}",
                f"{shard.num_tokens - num_tokens:,}",
                f"{shard.num_tokens:,}",
            ]


def _rewritten(manifest: Manifest) -> str:
    """Return what went from which shard since the set was packed, with digests as proof."""
    rows = [["shard", "documents", "rows", "tokens", "sha256 before", "now"]]
    for name, one in manifest.facts["forgotten"]["shards"].items():
        file = one["files"][f"{name}.arrow"]
        numbers = [f"{one[what]:,}" for what in ("num_documents", "num_rows", "num_tokens")]
        rows.append([name, *numbers, file["old"][:16], file["new"][:16]])
    return aligned(rows) if len(rows) > 1 else "no shard holds one of them"


def _show_kin(ledger: Ledger, listed: Listed, show: Callable[[str], None]) -> None:
    """Say which of the documents had a copy kept in their place: its text is nearly theirs."""
    if "fates" not in ledger.manifests:
        return
    if ledger.manifest("fates").identity["version"] != fates.VERSION:
        return  # its columns are others
    gone = forgotten.array(listed)
    lines = []
    for entry in ledger.inputs("fates"):
        table = parts.open_parquet(entry["url"]).read(columns=["id", "rule", "survivor", "corpus"])
        mine = np.isin(table["id"].to_numpy(), gone) & table["corpus"].is_null().to_numpy()
        lines.extend(
            f"  {show_id(row['survivor'])} in place of {show_id(row['id'])} ({row['rule']})"
            for row in table.filter(mine).to_pylist()
            if row["survivor"] is not None and row["survivor"] not in listed
        )
    if lines:
        more = f"\n  ... and {len(lines) - _NUM_SHOWN:,} more" if len(lines) > _NUM_SHOWN else ""
        show(
            "\ncopies of them that were kept; forget those too if it is the text that must go\n"
            + "\n".join(lines[:_NUM_SHOWN])
            + more
        )
