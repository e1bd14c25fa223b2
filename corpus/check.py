"""Prove a finished set whole, and name what in it is not."""

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from corpus import fact_check, sets, shard_check, storage, token_ids
from corpus.progress import Progress
from corpus.shards import ShardSet


def damage(url: str) -> Iterator[str]:
    """Yield a line for everything about a set that is not whole.

    That is: files that are missing or differ from their digests; a manifest whose parts do not add
    up to it, or are not those of the receipts; and of shards, rows that are not what
    corpus/FORMAT.md says, with their numbers, and facts that do not follow from rows and identity.
    """
    manifest = sets.read_manifest(url)
    damaged = list(_damaged_files(url, manifest))
    yield from damaged
    expected = sets.set_id(manifest.stage, manifest.identity)
    if expected != manifest.id:
        yield f"{url}: the manifest's id is {manifest.id}, its identity's is {expected}"
    if sets.sum_counts(manifest.parts) != manifest.counts:
        yield f"{url}: the manifest's counts are not the sums of its parts'"
    yield from _other_parts(url, manifest)
    yield from _other_rewritten(url, manifest)
    # Of a damaged file the digest says all there is to say.
    if manifest.stage == "shards" and not damaged:
        yield from _unsound_shards(ShardSet(url, manifest), has_own_id=expected == manifest.id)


def _other_parts(url: str, manifest: sets.Manifest) -> Iterator[str]:
    """Yield how the receipts and files in the folder, and the parts in the manifest, differ."""
    for part in manifest.parts:
        place = sets.receipt_path(url, part.fingerprint)
        try:
            found = json.loads(storage.read_bytes(place))
        except FileNotFoundError:
            yield f"{place}: missing, the receipt of {part.name}"
        except (json.JSONDecodeError, UnicodeDecodeError):
            yield f"{place}: damaged, the receipt of {part.name}"
        else:
            for key, own, its in _differing(
                sets.receipt_to_json(part), found, f"parts.{part.name}"
            ):
                yield f"{url}: the manifest's {key} is {own}, by {place} {its}"
    named = {f"{part.fingerprint}.json" for part in manifest.parts}
    # Not every store lets everybody list its folders.
    with suppress(PermissionError, *storage.client_errors()):
        for name in storage.names(storage.join(url, "receipts")):
            if name not in named:
                place = storage.join(url, "receipts", name)
                yield f"{place}: the receipt of a part that the manifest does not name"
        files = {name for part in manifest.parts for name in part.files}
        for name in storage.names(url):
            # Whoever reads a folder of rows by a pattern would take it for one of them.
            if name.endswith(".arrow") and name not in files:
                yield f"{storage.join(url, name)}: a file that the manifest does not name"


def _differing(own: Any, its: Any, where: str) -> Iterator[tuple[str, str, str]]:
    """Yield the keys at which two JSON values differ, and what stands there in either."""
    if isinstance(own, dict) and isinstance(its, dict):
        for key in sorted(own.keys() | its.keys()):
            yield from _differing(own.get(key), its.get(key), f"{where}.{key}")
    elif own != its:
        yield where, json.dumps(own), json.dumps(its)


def _other_rewritten(url: str, manifest: sets.Manifest) -> Iterator[str]:
    """Yield the shards that are not those which documents were taken out of."""
    if fact_check.malformed_record(manifest):
        return  # which is said among the facts
    parts = {part.name: part.files for part in manifest.parts}
    for name, one in manifest.facts.get("forgotten", {}).get("shards", {}).items():
        new = {file: digests["new"] for file, digests in one["files"].items()}
        if {file: found.sha256 for file, found in parts.get(name, {}).items()} != new:
            yield f"{url}: {name} is not the shard that documents were taken out of"


def _unsound_shards(shards: ShardSet, *, has_own_id: bool) -> Iterator[str]:
    manifest = shards.manifest
    try:
        files = shards.tokenizer_files()
    except ValueError as error:
        yield str(error)
    else:
        table = json.loads(files["tokenizer.json"])
        configs = [json.loads(files[name]) for name in token_ids.CONFIGS if name in files]
        for line in token_ids.differences(table, manifest.facts, configs):
            yield f"{shards.url}: the manifest's {line}"
    malformed = list(fact_check.malformed(manifest))
    gathered = None
    # By an identity that is not the id's own nothing can be judged.
    if has_own_id and not malformed:
        malformed.extend(fact_check.of_manifest(manifest))
        gathered = fact_check.Gathered(manifest)
    yield from (f"{shards.url}: the manifest's {line}" for line in malformed)
    facts = {part.name: part.facts for part in manifest.parts}
    with Progress(
        "verify rows", total=sum(shard.num_rows for shard in shards.shards), unit="rows"
    ) as progress:
        done = 0
        for shard in shards.shards:
            rows, documents = shards.table(shard), shards.documents(shard)
            counts = shards.shard_unigram(shard)
            found = list(shard_check.faults(shards, shard, rows, documents, counts))
            own = facts[shard.name]
            if not found and shard_check.row_digest(rows, documents) != own.get("row_digest"):
                found.append("the digest of its rows is not the manifest's row_digest")
            if found:
                gathered = None  # what follows from all shards follows from sound ones
            elif gathered is not None:
                found.extend(gathered.add(shard.name, documents, counts))
                entropy = shard_check.bigram_entropy(shards, shard, rows)
                key = "bigram_entropy_nats"
                found.extend(fact_check.differs(f"facts.{key}", own[key], entropy))
            yield from (f"{storage.join(shards.url, shard.name)}: {line}" for line in found)
            done += shard.num_rows
            progress.update(done)
    if gathered is not None:
        yield from (f"{shards.url}: the manifest's {line}" for line in gathered.differences())


def _damaged_files(url: str, manifest: sets.Manifest) -> Iterator[str]:
    files = [(name, file) for part in manifest.parts for name, file in part.files.items()]
    files.extend(manifest.files.items())
    with Progress("verify", total=sum(file.num_bytes for _, file in files), unit="B") as progress:
        done = 0
        for name, file in files:
            place = storage.join(url, name)
            try:
                found = sets.digest_file(place)
            except FileNotFoundError:
                yield f"{place}: missing"
            except OSError as error:
                yield f"{place}: cannot be read: {error.strerror or error}"
            else:
                if found.num_bytes != file.num_bytes:
                    yield f"{place}: {found.num_bytes:,} bytes, should be {file.num_bytes:,}"
                elif found != file:
                    yield f"{place}: sha256 {found.sha256}, should be {file.sha256}"
            done += file.num_bytes
            progress.update(done)
