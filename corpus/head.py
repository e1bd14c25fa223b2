"""Show what is in a finished set.

This shows text, also of a private corpus: that is what it is asked for. No other command does.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as pq
from tokenizers import Tokenizer

from corpus import identity, sets, storage
from corpus.shards import Shard, ShardSet


@dataclass(frozen=True, kw_only=True, slots=True)
class Which:
    """Which rows of a shard set."""

    source: str | None = None
    """None: of all sources."""
    subset: str = "train"
    row_length: int | None = None
    """Tokens of a row; None: the least that the set has."""


ANY = Which()


def head(url: str, *, num_rows: int, which: Which = ANY, words: bool = False) -> Iterator[str]:
    """Yield the first rows of a set as text.

    Args:
        url: the set's folder.
        num_rows: how many at most.
        which: of a shard set.
        words: of shards: put a bar before each word, where the rows say where words begin.

    Raises:
        ValueError: there is no such set, or it has no such rows; or it is none of shards, and some
            rows are asked for.
    """
    manifest = sets.read_manifest(url)
    if manifest.stage == "shards":
        yield from _head_shards(
            ShardSet(url, manifest), num_rows=num_rows, which=which, words=words
        )
        return
    if which != ANY:
        raise ValueError(
            f"{url}: a set of {manifest.stage} has no sources, subsets and row lengths to choose "
            "from; leave --source, --subset and --row-length out"
        )
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


def _head_shards(shards: ShardSet, *, num_rows: int, which: Which, words: bool) -> Iterator[str]:
    if not shards.shards:
        return
    length = shards.row_lengths[0] if which.row_length is None else which.row_length
    chosen = [
        shard
        for shard in shards.shards
        if (shard.subset, shard.row_length) == (which.subset, length)
        and which.source in (None, shard.source)
    ]
    if not chosen:
        # Its error names what there is.
        source = shards.sources[0] if which.source is None else which.source
        shards.select(source=source, subset=which.subset, row_length=length)
    tokenizer = Tokenizer.from_str(shards.tokenizer_json().decode())
    left = num_rows
    for shard in chosen:
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
            is_text = ~np.isin(ids, around)
            cuts = np.flatnonzero(starts[row, begin:end][is_text])
            text = "|".join(
                tokenizer.decode(word.tolist(), skip_special_tokens=False)
                for word in np.split(ids[is_text], cuts)
            )
            yield f"[{titles.get(document, identity.show_id(document))}] {text}"
            begin = end
