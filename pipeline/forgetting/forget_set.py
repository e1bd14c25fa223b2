"""A shard set without some documents, made from the set that has them.

Only shards in which such a document stands are rewritten (see forget_rows); every other file is the
same file, by a hard link or a server-side copy. The new set is a function of the set that was
packed and of the list alone: documents forgotten one after the other, from a set that others were
forgotten from before, give the same bytes as all at once.

Nothing is changed in place. The new set's manifest is written last, so a set is there whole or not
at all, and what a killed run made is found by the next one.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from corpus import card, identity, sets, shard_check, storage
from corpus.progress import Progress
from corpus.sets import Manifest, Receipt
from corpus.shards import Shard, ShardSet
from pipeline.forgetting import forgotten
from pipeline.forgetting.forget_rows import without
from pipeline.forgetting.forgotten import Listed
from pipeline.match import partition
from pipeline.packing import shard_files
from pipeline.running.flow import Output, Part, do_part, part_fingerprint

U64: TypeAlias = NDArray[np.uint64]
VERSION = 3
_README = "README.md"


def packed_identity(manifest: Manifest) -> dict[str, Any]:
    """Return the identity of the set that was packed, before anything was forgotten."""
    return {name: value for name, value in manifest.identity.items() if name != "forgotten"}


def identity_without(packed: Mapping[str, Any], listed: Listed) -> dict[str, Any]:
    """Return the identity of a packed set without the listed documents."""
    if not listed:
        return dict(packed)
    return {**packed, "forgotten": {**forgotten.claim(listed), "version": VERSION}}


def url_without(packed: Mapping[str, Any], listed: Listed, *, data: str) -> str:
    """Return where the set of that identity lies, made or not."""
    what = identity_without(packed, listed)
    return sets.folder(data, "shards", sets.set_id("shards", what))


def affected(shards: ShardSet, gone: U64) -> dict[str, U64]:
    """Return which of these documents (ids, [N]) stand in which shards, by shard name."""
    found: dict[str, U64] = {}
    with Progress("looking", total=len(shards.shards), unit=" shards") as progress:
        for number, shard in enumerate(shards.shards):
            ids = shards.documents(shard)["id"].to_numpy()
            mine = ids[np.isin(ids, gone)]
            if len(mine):
                found[shard.name] = mine
            progress.update(number + 1)
    return found


def taken_out(shards: ShardSet, shard: Shard, gone: U64) -> tuple[pa.RecordBatch, pa.Table]:
    """Return the rows and documents of a shard without those documents."""
    return without(shards.table(shard), shards.documents(shard), gone, pad_id=shards.pad_id)


def make(source: Manifest, listed: Listed, *, data: str) -> Manifest:
    """Make the set without the listed documents; what is there of it is found.

    Args:
        source: the packed set, or one that some of the listed documents were forgotten from.
        listed: all documents to leave out; at least one.
        data: the DATA folder or URL; its lock is held.

    Raises:
        ValueError: the source is damaged; the message names where.
    """
    what = identity_without(packed_identity(source), listed)
    url = url_without(packed_identity(source), listed, data=data)
    if sets.has_manifest(url):
        return sets.read_manifest(url)
    old = ShardSet(sets.folder(data, "shards", source.id), source)
    sets.sweep(url)
    hit = affected(old, forgotten.array(listed))
    receipts: list[Receipt] = []
    with Progress("forget", total=len(source.parts), unit=" shards") as progress:
        for number, (receipt, shard) in enumerate(zip(source.parts, old.shards, strict=True)):
            if shard.name in hit:
                receipts.append(_rewrite(old, shard, receipt, hit[shard.name], url=url))
            else:
                receipts.append(_keep(receipt, old.url, url))
            progress.update(number + 1)
    _keep_tokens(old.url, url, forgotten.array(listed))
    record = _record(source, {part.name: part for part in receipts}, set(hit))
    lengths = source.facts["row_lengths"]
    manifest = Manifest(
        stage="shards",
        id=sets.set_id("shards", what),
        identity=what,
        counts=sets.sum_counts(receipts),
        parts=tuple(receipts),
        facts={
            **source.facts,
            **shard_files.row_facts(receipts, url, row_lengths=lengths),
            "forgotten": record,
        },
    )
    for name, file in sorted(source.files.items()):
        if name != _README:
            _link(old.url, url, name, file)
            manifest.files[name] = file
    readme = card.dataset_card(manifest)
    storage.write_bytes(storage.join(url, _README), readme)
    manifest.files[_README] = sets.File(num_bytes=len(readme), sha256=identity.digest(readme))
    _prove(ShardSet(url, manifest), listed, set(hit))
    storage.write_bytes(storage.join(url, sets.MANIFEST), manifest.to_bytes())
    return manifest


def _rewrite(old: ShardSet, shard: Shard, receipt: Receipt, gone: U64, *, url: str) -> Receipt:
    """Write a shard without some of its documents, or find it written."""
    if not sets.is_whole(old.url, receipt):
        raise ValueError(_damaged(storage.join(old.url, shard.name)))
    packed = _packed(old.manifest, receipt)
    left = np.setdiff1d(old.documents(shard)["id"].to_numpy(), gone)
    content = [VERSION, packed["fingerprint"], identity.digest(left.astype("<u8").tobytes())]
    part = Part(
        name=shard.name,
        fingerprint=part_fingerprint("shards", "forget", *content),
        inputs={
            "source": shard.source,
            "subset": shard.subset,
            "row_length": shard.row_length,
            "vocabulary": old.vocabulary,
            "special": old.manifest.facts["special_tokens"],
            "segmenter": receipt.facts.get("segmenter", ""),
        },
    )
    work = partial(_write, old=old, shard=shard, receipt=receipt, gone=gone)
    return do_part(part, step=url, siblings=[], work=work)


def _write(
    part: Part, output: Output, *, old: ShardSet, shard: Shard, receipt: Receipt, gone: U64
) -> None:
    rows, documents = taken_out(old, shard, gone)
    shard_files.write(part.name, rows, documents, part.inputs, output)
    output.count(**_packed_cuts(receipt.counts))


def _packed_cuts(counts: Mapping[str, int]) -> dict[str, int]:
    """Return how packing cut a shard's documents, those that are gone among them.

    Where a document was cut is not told by its pieces, so these numbers cannot be made those of
    the documents that are left: they get names of their own.
    """
    found: dict[str, int] = {}
    for name, number in counts.items():
        what, own = name.split(" ", 1)
        if what.endswith("_cuts"):
            kind = what.removeprefix("num_").removeprefix("packed_")
            found[f"num_packed_{kind} {own}"] = number
    return found


def _keep(receipt: Receipt, source: str, url: str) -> Receipt:
    """Have the files of a part in another set too."""
    for name, file in receipt.files.items():
        _link(source, url, name, file)
    sets.commit_part(url, receipt)
    return receipt


def _link(source: str, url: str, name: str, file: sets.File) -> None:
    place = storage.join(source, name)
    try:
        whole = storage.size(place) == file.num_bytes
    except FileNotFoundError:
        whole = False
    if not whole:
        raise ValueError(_damaged(place))
    storage.link(place, storage.join(url, name))


def _damaged(place: str) -> str:
    return (
        f"{place}: missing or damaged; `python -m corpus verify SET` names all that is, and "
        "`python -m corpus repair SET --from URL` fetches it from a copy"
    )


def _keep_tokens(source: str, url: str, gone: U64) -> None:
    """Have the encoded documents too, so that the next run need not encode them again.

    A file in which a forgotten document stands is left out: that part is encoded anew.
    """
    step, target = (storage.join(folder, "work", "tokens") for folder in (source, url))
    for name in storage.names(storage.join(step, "receipts")):
        receipt = sets.read_receipt(step, name.removesuffix(".json"))
        if receipt is None:
            continue
        files = [storage.join(step, file) for file in receipt.files]
        if not all(storage.exists(file) for file in files):
            continue
        if not any(np.isin(partition.ids(file), gone).any() for file in files):
            _keep(receipt, step, target)


def _packed(manifest: Manifest, receipt: Receipt) -> dict[str, Any]:
    """Return what a shard was when it was packed, and how much went since."""
    known = manifest.facts.get("forgotten", {}).get("shards", {})
    if receipt.name in known:
        return known[receipt.name]
    return {
        "fingerprint": receipt.fingerprint,
        "files": {name: {"old": file.sha256} for name, file in receipt.files.items()},
        "num_documents": 0,
        "num_rows": 0,
        "num_tokens": 0,
    }


def _record(source: Manifest, parts: Mapping[str, Receipt], hit: set[str]) -> dict[str, Any]:
    """Return what the manifest says of what was forgotten, since the set was packed."""
    before = source.facts.get("forgotten", {"set": source.id, "manifest": source.digest()})
    shards: dict[str, Any] = {}
    for receipt in source.parts:
        packed, now = _packed(source, receipt), parts[receipt.name]
        if receipt.name not in hit and "new" not in next(iter(packed["files"].values())):
            continue
        less = {
            name: packed[name] + receipt.facts[name] - now.facts[name]
            for name in ("num_documents", "num_rows", "num_tokens")
        }
        files = {
            name: {"old": file["old"], "new": now.files[name].sha256}
            for name, file in packed["files"].items()
        }
        shards[receipt.name] = {"fingerprint": packed["fingerprint"], "files": files, **less}
    return {"set": before["set"], "manifest": before["manifest"], "shards": shards}


def _prove(shards: ShardSet, listed: Listed, hit: set[str]) -> None:
    """Assert of a set that is to be finished that its rewritten shards are sound."""
    gone = forgotten.array(listed)
    for shard in shards.shards:
        if shard.name in hit:
            rows, documents = shards.table(shard), shards.documents(shard)
            assert not np.isin(documents["id"].to_numpy(), gone).any(), shard.name
            counts = shards.shard_unigram(shard)
            faults = list(shard_check.faults(shards, shard, rows, documents, counts))
            assert not faults, f"{shard.name}: {faults}"
