"""Prove a finished set whole, and show what is in it.

`head` shows text, also of a private corpus: that is what it is asked for. No other command does.
"""

import json
from collections.abc import Iterator

import numpy as np
import pyarrow.parquet as pq
from tokenizers import Tokenizer

from corpus import identity, sets, shard_check, storage, token_ids
from corpus.progress import Progress
from corpus.shards import Shard, ShardSet


def damage(url: str) -> Iterator[str]:
    """Yield a line for everything about a set that is not whole.

    That is: files that are missing or differ from their digests; a manifest whose parts do not add
    up to it; and of shards, rows that are not what corpus/FORMAT.md says, with their numbers.
    """
    manifest = sets.read_manifest(url)
    damaged = list(_damaged_files(url, manifest))
    yield from damaged
    expected = sets.set_id(manifest.stage, manifest.identity)
    if expected != manifest.id:
        yield f"{url}: the manifest's id is {manifest.id}, its identity's is {expected}"
    if sets.sum_counts(manifest.parts) != manifest.counts:
        yield f"{url}: the manifest's counts are not the sums of its parts'"
    yield from _other_rewritten(url, manifest)
    # Of a damaged file the digest says all there is to say.
    if manifest.stage == "shards" and not damaged:
        yield from _unsound_shards(ShardSet(url, manifest))


def _other_rewritten(url: str, manifest: sets.Manifest) -> Iterator[str]:
    """Yield the shards that are not those which documents were taken out of."""
    parts = {part.name: part.files for part in manifest.parts}
    for name, one in manifest.facts.get("forgotten", {}).get("shards", {}).items():
        new = {file: digests["new"] for file, digests in one["files"].items()}
        if {file: found.sha256 for file, found in parts.get(name, {}).items()} != new:
            yield f"{url}: {name} is not the shard that documents were taken out of"


def _unsound_shards(shards: ShardSet) -> Iterator[str]:
    try:
        files = shards.tokenizer_files()
    except ValueError as error:
        yield str(error)
    else:
        table = json.loads(files["tokenizer.json"])
        configs = [json.loads(files[name]) for name in token_ids.CONFIGS if name in files]
        for line in token_ids.differences(table, shards.manifest.facts, configs):
            yield f"{shards.url}: the manifest's {line}"
    digests = {part.name: part.facts.get("row_digest") for part in shards.manifest.parts}
    with Progress(
        "verify rows", total=sum(shard.num_rows for shard in shards.shards), unit="rows"
    ) as progress:
        done = 0
        for shard in shards.shards:
            rows, documents = shards.table(shard), shards.documents(shard)
            found = list(
                shard_check.faults(shards, shard, rows, documents, shards.shard_unigram(shard))
            )
            if not found and shard_check.row_digest(rows, documents) != digests[shard.name]:
                found.append("the digest of its rows is not the manifest's row_digest")
            yield from (f"{storage.join(shards.url, shard.name)}: {line}" for line in found)
            done += shard.num_rows
            progress.update(done)


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


def head(url: str, *, num_rows: int, words: bool = False) -> Iterator[str]:
    """Yield the first rows of a set as text.

    Args:
        url: of the set.
        num_rows: how many.
        words: of shards: put a bar before each word, where the rows say where words begin.
    """
    manifest = sets.read_manifest(url)
    if manifest.stage == "shards":
        yield from _head_shards(ShardSet(url, manifest), num_rows=num_rows, words=words)
        return
    left = num_rows
    for part in manifest.parts:
        if not part.file().endswith(".parquet") or left <= 0:
            continue
        with storage.open_read(storage.join(url, part.file())) as file:
            batch = next(pq.ParquetFile(file).iter_batches(batch_size=left), None)
        if batch is None:
            continue
        for row in batch.to_pylist():
            left -= 1
            shown = {
                name: identity.show_id(value)
                if name in ("id", "survivor", "a", "b") and value
                else value
                for name, value in row.items()
                if name not in ("signature", "exact")
            }
            yield "\n".join(f"{name}: {value}" for name, value in shown.items())


def _head_shards(shards: ShardSet, *, num_rows: int, words: bool) -> Iterator[str]:
    tokenizer = Tokenizer.from_str(shards.tokenizer_files()["tokenizer.json"].decode())
    left = num_rows
    for shard in shards.shards:
        if left <= 0:
            return
        yield from _head_shard(shards, shard, tokenizer, num_rows=left, words=words)
        left -= shard.num_rows


def _head_shard(
    shards: ShardSet, shard: Shard, tokenizer: Tokenizer, *, num_rows: int, words: bool
) -> Iterator[str]:
    chosen = shards.select(source=shard.source, subset=shard.subset, row_length=shard.row_length)
    rows = shards.rows(shard.source, shard.subset, shard.row_length)
    first = sum(other.num_rows for other in chosen[: chosen.index(shard)])
    titles = {
        row["id"]: f"{row['title'] or row['key']} ({identity.show_id(row['id'])})"
        for row in shards.documents(shard).to_pylist()
    }
    # A text may lack what is unknown to the vocabulary; what we put around it is not of it.
    around = [shards.pad_id, shards.cls_id, shards.sep_id]
    numbers = np.arange(first, first + min(num_rows, shard.num_rows))
    starts = np.zeros((numbers.size, shard.row_length), dtype=np.bool_)
    if words and rows.has_word_starts:
        batch = rows.take(numbers, into=np.empty(starts.shape, dtype=np.int64), starts=starts)
    else:
        batch = rows.take(numbers)
    for row in range(len(batch.input_ids)):
        yield f"--- {shard.name} row {row}"
        begin = 0
        mine = batch.piece_rows == row
        for end, document in zip(
            batch.piece_ends[mine].tolist(), batch.piece_documents[mine].tolist(), strict=True
        ):
            ids = batch.input_ids[row, begin:end]
            mine = ~np.isin(ids, around)
            cuts = np.flatnonzero(starts[row, begin:end][mine])
            text = "|".join(
                tokenizer.decode(word.tolist(), skip_special_tokens=False)
                for word in np.split(ids[mine], cuts)
            )
            yield f"[{titles.get(document, identity.show_id(document))}] {text}"
            begin = end
