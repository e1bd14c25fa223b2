"""Where in DATA forgotten documents still stand, and how to be rid of them.

A document has another id where its source has another name or takes its key from another column.
So the same text is looked for too: by the exact key that every set of measures has of every
document (xxh3-128 of the normalized view).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from corpus import keep, lock, sets, storage
from corpus.identity import show_id
from corpus.sets import Manifest
from corpus.shards import READABLE, ShardSet
from pipeline import parts, plan
from pipeline.asking.ledger import Ledger
from pipeline.forgetting import forget_set, forgotten
from pipeline.forgetting.forget_set import U64
from pipeline.forgetting.forgotten import Listed

_NUM_SHOWN = 3
"""Ids of others that a line names."""
_BATCH_ROWS = 1 << 16


def holders(ledger: Ledger, listed: Listed) -> Iterator[str]:
    """Yield in words where in DATA, and in which raw files, listed documents still stand."""
    data, gone = ledger.data, forgotten.array(listed)
    others = same_texts(data, gone)
    for held in _shard_holders(ledger, gone, others):
        users = _users(data, held.id)
        cure = f"used by {', '.join(users)}" if users else "nothing uses it: --purge removes it"
        yield f"{held.url}: {held.what}; {cure}"
    for set_id in storage.names(storage.join(data, "documents")):
        url = sets.folder(data, "documents", set_id)
        if sets.has_manifest(url):
            yield from _documents_holders(sets.read_manifest(url), gone, others, data=data)


def purge(ledger: Ledger, listed: Listed) -> Iterator[str]:
    """Remove the shard sets that nothing uses and that hold listed documents, or might; name them.

    Those of the corpus itself stay, and those that another corpus or a running process uses.
    """
    gone = forgotten.array(listed)
    for held in _shard_holders(ledger, gone, same_texts(ledger.data, gone)):
        if not _users(ledger.data, held.id):
            keep.remove(held.url)
            yield f"removed {held.url}, which {held.was}"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Held:
    """A shard set that holds listed documents, or might."""

    id: str
    url: str
    what: str
    """Of them, in words."""
    was: str
    """The same, once it is gone."""


def _shard_holders(ledger: Ledger, gone: U64, others: U64) -> Iterator[_Held]:
    data = ledger.data
    # Of the corpus's own set `forget` says which copies were kept in a document's place.
    own = sets.read_corpus(data, ledger.name).get("shards")
    for set_id in storage.names(storage.join(data, "shards")):
        url = sets.folder(data, "shards", set_id)
        if not sets.has_manifest(url):
            yield _Held(id=set_id, url=url, what="unfinished, not looked at", was="was unfinished")
            continue
        manifest = sets.read_manifest(url)
        if manifest.facts.get("shard_format") not in READABLE:
            yield _Held(
                id=set_id,
                url=url,
                what="of another version, not looked at",
                was="was of another version",
            )
            continue
        shards = ShardSet(url, manifest)
        wanted = gone if set_id == own else np.union1d(gone, others)
        found = list(forget_set.affected(shards, wanted).values())
        if found:
            ids = np.unique(np.concatenate(found))
            yield _Held(
                id=set_id,
                url=url,
                what=_in_words(ids, gone, "documents"),
                was="held " + _in_words(ids, gone, "of them"),
            )


def _documents_holders(manifest: Manifest, gone: U64, others: U64, *, data: str) -> Iterator[str]:
    known, raw = plan.known_paths(data), set[str]()
    wanted, found = np.union1d(gone, others), [np.empty(0, np.uint64)]
    facts = {part.name: part.facts.get("raw", {}) for part in manifest.parts}
    for entry in parts.part_inputs(manifest, data=data):
        ids = parts.open_parquet(entry["url"]).read(columns=["id"])["id"].to_numpy()
        here = ids[np.isin(ids, wanted)]
        if len(here):
            found.append(here)
            digest = facts[entry["name"]].get("sha256", "")
            raw.add(known.get(digest, digest or "a group of small files"))
    if raw:
        what = _in_words(np.concatenate(found), gone, "documents")
        yield (
            f"{sets.folder(data, 'documents', manifest.id)}: {what}, from "
            f"{', '.join(sorted(raw))}; to be rid of them there too, take them out of the raw "
            "text, run `make shards`, then `python -m corpus gc --delete`"
        )


def _in_words(ids: U64, gone: U64, what: str) -> str:
    """Say how many of the ids are of listed documents, and which are of the same text."""
    others = ids[~np.isin(ids, gone)]
    num = len(ids) - len(others)
    shown = ", ".join(show_id(one) for one in others[:_NUM_SHOWN].tolist())
    more = ", ..." if len(others) > _NUM_SHOWN else ""
    said = [f"{num:,} {what}"] if num or not len(others) else []
    if len(others):
        said.append(f"{len(others):,} of the same text under other ids ({shown}{more})")
    return " and ".join(said)


def _users(data: str, set_id: str) -> list[str]:
    corpora = sets.list_corpora(data).items()
    users = [
        f"corpus {name!r} (forget them there too)"
        for name, sets_of in corpora
        if sets_of.get("shards") == set_id
    ]
    if lock.is_used(sets.folder(data, "shards", set_id)):
        users.append("a running process")
    return users


def same_texts(data: str, gone: U64) -> U64:
    """Return the ids, in any set of measures of DATA, of other documents with the same text.

    Args:
        data: the DATA folder or URL.
        gone: ids, sorted; those that are measured nowhere have no other.

    Returns:
        uint64 [N], sorted; none of them is in `gone`.
    """
    keys: set[bytes] = set()
    for ids, _, exact in _exact_keys(data):
        keys.update(exact.take(np.flatnonzero(np.isin(ids, gone))).to_pylist())
    halves = np.array(sorted({int.from_bytes(key[:8], "big") for key in keys}), dtype=np.uint64)
    found = [np.empty(0, np.uint64)]
    # Read again, not kept: of a large corpus they are gigabytes.
    for ids, high, exact in _exact_keys(data) if keys else ():
        likely = np.flatnonzero(np.isin(high, halves))
        mine = [key in keys for key in exact.take(likely).to_pylist()]
        found.append(ids[likely][np.array(mine, dtype=np.bool_)])
    return np.setdiff1d(np.concatenate(found), gone)


def _exact_keys(data: str) -> Iterator[tuple[U64, U64, Any]]:
    """Yield ids, first halves of exact keys and exact keys [N] of documents that have words.

    Each part once: sets that came from one another share most of them.
    """
    seen: set[str] = set()
    for set_id in storage.names(storage.join(data, "measures")):
        url = sets.folder(data, "measures", set_id)
        if not sets.has_manifest(url):
            continue
        for entry in parts.part_inputs(sets.read_manifest(url), data=data):
            if entry["content"] in seen:
                continue
            seen.add(entry["content"])
            columns = ["id", "exact", "num_shingles"]
            for batch in parts.batches(entry["url"], columns, num_rows=_BATCH_ROWS):
                has_words = np.flatnonzero(batch.column("num_shingles").to_numpy() > 0)
                exact = batch.column("exact").take(has_words)
                halves = np.frombuffer(b"".join(exact.to_pylist()), dtype=">u8")[0::2]
                ids = batch.column("id").to_numpy()[has_words]
                yield ids, halves.astype(np.uint64), exact
