"""How many bytes of text make a token, to estimate tokens from bytes."""

import itertools

from corpus import storage
from pipeline import parts
from pipeline.asking.ledger import Ledger

_NUM_DOCUMENTS = 32
_MAX_CHARS = 4096


def bytes_per_token(ledger: Ledger) -> tuple[dict[str, float], str]:
    """Return the ratio of each source, and in words where it is from.

    Counted where shards were made of this ledger's fates, else on the first documents of each
    source with its tokenizer; empty where there is none yet.
    """
    found = ledger.manifests
    is_made = "shards" in found and (
        found["shards"].identity["parents"]["fates"] == ledger.manifest("fates").digest()
    )
    if is_made:
        return _counted(ledger), "from the bytes and tokens of its shards"
    if "tokenizers" in found:
        return _sampled(ledger), "from its tokenizer on the first documents of each source"
    return {}, "no tokenizer yet, so no tokens; `make tokenizer` gives one"


def _counted(ledger: Ledger) -> dict[str, float]:
    shards, kept = ledger.manifest("shards"), ledger.manifest("fates").counts
    length = str(min(shards.facts["row_lengths"]))
    ratios: dict[str, float] = {}
    for source in {part.facts["source"] for part in shards.parts}:
        num_tokens = sum(
            number
            for name, number in shards.counts.items()
            if name.startswith(f"num_tokens {source} ") and name.endswith(f" {length}")
        )
        num_bytes = sum(
            number for name, number in kept.items() if name.startswith(f"num_bytes {source} kept ")
        )
        if num_tokens:
            ratios[source] = num_bytes / num_tokens
    return ratios


def _sampled(ledger: Ledger) -> dict[str, float]:
    from pipeline import tokenizer

    encoder = tokenizer.load(
        storage.read_bytes(storage.join(ledger.url("tokenizers"), "tokenizer.json"))
    )
    ratios: dict[str, float] = {}
    for entry in ledger.inputs("documents"):
        if entry["source"] in ratios or not entry["num_rows"]:
            continue
        batches = parts.batches(entry["url"], ["text"], num_rows=_NUM_DOCUMENTS)
        texts = [
            text[:_MAX_CHARS]
            for batch in itertools.islice(batches, 1)
            for text in batch.column("text").to_pylist()
        ]
        num_tokens = sum(len(encoded.ids) for encoded in encoder.encode_batch_fast(texts))
        if num_tokens:
            ratios[entry["source"]] = sum(len(text.encode()) for text in texts) / num_tokens
    return ratios


def tokens(num_bytes: int, source: str, ratios: dict[str, float]) -> str:
    """Return an estimate of tokens as people read it; "" where there is no ratio."""
    return f"{round(num_bytes / ratios[source]):,}" if source in ratios else ""
