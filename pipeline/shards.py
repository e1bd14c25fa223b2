"""Stage `shards`: kept documents -> token ids -> packed rows in Arrow IPC files.

    encoder  decides what to encode with, see proof.py
    tokens   per documents part: its kept documents encoded, with where they may be cut, by bin
    parts    per bin and row length: documents laid out in rows, one shard

A bin is the documents of one source and subset whose hashed ids fall together; there are as many
bins as keep each near `shards.bin_mb`. Each row length has its own shards.
"""

import json
from collections.abc import Mapping
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pyarrow as pa

from corpus import card, identity, row_form, sets, storage, token_ids
from corpus.bins import bin_of, num_bins, partitions
from corpus.sets import Manifest, Receipt
from corpus.shards import SHARD_FORMAT, SPECIAL_TOKENS, TOKENIZER_FOLDER, WORDS_FORMAT
from pipeline import recipe_record, tokenizer
from pipeline.encoding import encoders, proof, tokens
from pipeline.match import partition
from pipeline.packing import rows, shard_files
from pipeline.recipe import Recipe
from pipeline.running.flow import (
    Output,
    Part,
    Receipts,
    Stage,
    Step,
    identify,
    part_fingerprint,
)
from pipeline.segmenting import segmenters, word_starts

VERSION = 6
_BATCH_DOCUMENTS = 64
_BATCH_CHARS = 1 << 24


def stage(
    recipe: Recipe, documents: Manifest, decided: Manifest, vocabulary: Manifest, *, data: str
) -> Stage:
    """Return the stage over documents, their fates and a tokenizer."""
    config = recipe.shards
    section: dict[str, Any] = {
        "row_lengths": sorted(config.row_lengths),
        "packing": config.packing,
        "bin_mb": config.bin_mb,
        "target_rate": config.target_rate,
        "seed": config.seed,
        # The manifest and the card say these, so they are part of what the set is.
        "corpus": recipe.name,
        "sources": {
            source.name: {"licence": source.licence, "language": source.language}
            for source in recipe.source
        },
        "recipe": recipe_record.record(recipe),
    }
    cut_by = segmenters.versions(recipe)
    if cut_by:
        section["segmenters"] = {name: one["name"] for name, one in cut_by.items()}
    libraries = identity.libraries("tokenizers", "pyarrow")
    fast = encoders.installed()
    what = identify(
        section=section,
        version=VERSION,
        libraries={**libraries, **fast, **segmenters.libraries(cut_by)},
        parents={
            "documents": documents.digest(),
            "fates": decided.digest(),
            "tokenizers": vocabulary.digest(),
        },
    )
    tokenizer_set = sets.folder(data, "tokenizers", vocabulary.id)
    files = {
        name: storage.read_bytes(storage.join(tokenizer_set, name))
        for name in storage.names(tokenizer_set)
        if name.endswith(".json") and name != sets.MANIFEST
    }
    files = row_form.files(
        files,
        special=vocabulary.facts["special_tokens"],
        row_length=max(config.row_lengths),
        pair=config.packing == "pair",
    )
    url = sets.folder(data, "shards", sets.set_id("shards", what))
    common: dict[str, Any] = {
        "inputs": tokenizer.joined_inputs(decided, documents, data=data),
        "section": section,
        "bins": num_bins(decided.counts, bin_mb=config.bin_mb),
        "vocabulary": {
            "size": vocabulary.facts["vocabulary"],
            "special": vocabulary.facts["special_tokens"],
            "digest": vocabulary.facts["tokenizer_digest"],
            "url": storage.join(tokenizer_set, "tokenizer.json"),
        },
        "libraries": libraries,
        "cut_by": cut_by,
        "url": url,
    }
    licences = {source.name: source.licence for source in recipe.source}
    plan_encoder = partial(
        proof.plan,
        inputs=common["inputs"],
        vocabulary=common["vocabulary"],
        libraries={**libraries, **fast},
    )
    return Stage(
        name="shards",
        identity=what,
        steps=[
            Step(name="encoder", plan=plan_encoder, work=proof.prove),
            Step(name="tokens", plan=partial(_plan_tokens, **common), work=write_tokens),
            Step(name="parts", plan=partial(_plan_parts, **common), work=pack_bin),
        ],
        facts=partial(
            _facts,
            vocabulary=vocabulary,
            tokens_file=files["tokenizer.json"],
            section=section,
            decided=decided,
            licences=licences,
        ),
        extra_files={
            storage.join(TOKENIZER_FOLDER, name): content for name, content in files.items()
        },
        describe=lambda manifest: {"README.md": card.dataset_card(manifest)},
        num_bytes=documents.counts.get("num_bytes", 0),
    )


def _content(
    source: str,
    *,
    section: dict[str, Any],
    bins: dict[str, Any],
    vocabulary: dict[str, Any],
    libraries: dict[str, str],
    cut_by: Mapping[str, dict[str, str]],
) -> list[object]:
    """Return what every part of a source depends on beside its own input."""
    return [
        VERSION,
        section["seed"],
        bins.get(source, {}),
        vocabulary["digest"],
        vocabulary["special"],
        libraries,
        *([cut_by[source]] if source in cut_by else []),
    ]


def _plan_tokens(
    receipts: Receipts,
    *,
    inputs: list[dict[str, Any]],
    section: dict[str, Any],
    bins: dict[str, dict[str, int]],
    vocabulary: dict[str, Any],
    libraries: dict[str, str],
    cut_by: dict[str, dict[str, str]],
    url: str,
) -> list[Part]:
    encoder = receipts["encoder"][0].facts
    return [
        Part(
            name=entry["name"],
            fingerprint=part_fingerprint(
                "shards",
                "tokens",
                [encoder["encoder"], encoder["version"]],
                _content(
                    entry["source"],
                    section=section,
                    bins=bins,
                    vocabulary=vocabulary,
                    libraries=libraries,
                    cut_by=cut_by,
                ),
                entry["content"],
                entry["fates_content"],
            ),
            inputs={
                "documents": entry["url"],
                "fates": entry["fates"],
                "tokenizer": vocabulary["url"],
                "encoder": encoder["encoder"],
                "special": vocabulary["special"],
                "seed": section["seed"],
                "source": entry["source"],
                "is_segmented": entry["source"] in cut_by,
                "bins": bins.get(entry["source"], {}),
                "layout": partitions(entry["source"], bins=bins),
            },
            num_bytes=entry["num_bytes"],
        )
        for entry in inputs
    ]


def write_tokens(part: Part, output: Output) -> None:
    """Encode the kept documents of one part."""
    inputs = part.inputs
    encoder = proof.encoder(
        inputs["encoder"], storage.read_bytes(inputs["tokenizer"]), inputs["special"]
    )
    segment = word_starts.word_starts if inputs["is_segmented"] else None
    layout = {tuple(entry): number for number, entry in enumerate(inputs["layout"])}
    texts: list[dict[str, Any]] = []
    partitions: list[int] = []
    pending: list[tuple[str, dict[str, Any]]] = []
    num_tokens = num_bytes = num_chars = 0

    def flush() -> None:
        nonlocal num_tokens, num_bytes, num_chars
        encoded = tokens.encode([row["text"] for _, row in pending], encoder, segment=segment)
        for (subset, row), document in zip(pending, encoded, strict=True):
            num_tokens += len(document.ids)
            num_bytes += len(row["text"].encode())
            number = bin_of(row["id"], num=inputs["bins"][subset], seed=inputs["seed"])
            named = {name: row[name] for name in ("id", "key", "title", "url")}
            texts.append(
                {
                    **named,
                    "ids": document.ids,
                    "breaks": document.breaks,
                    "word_starts": document.word_starts,
                }
            )
            partitions.append(layout[subset, number])
        pending.clear()
        num_chars = 0

    columns = ["id", "key", "title", "url", "text"]
    for entry in tokenizer.kept_texts(inputs["documents"], inputs["fates"], columns=columns):
        pending.append(entry)
        num_chars += len(entry[1]["text"])
        if len(pending) == _BATCH_DOCUMENTS or num_chars >= _BATCH_CHARS:
            flush()
    flush()
    schema = rows.texts_schema(is_segmented=inputs["is_segmented"])
    table = pa.table(
        [pa.array([text[field.name] for text in texts], field.type) for field in schema],
        schema=schema,
    )
    with output.create(f"{part.name}.arrow") as file:
        partition.write(
            file, table, np.array(partitions, dtype=np.int64), num=len(inputs["layout"])
        )
    output.count(num_tokens=num_tokens, num_bytes=num_bytes)
    output.facts.update(source=inputs["source"])


def _plan_parts(
    receipts: Receipts,
    *,
    inputs: list[dict[str, Any]],
    section: dict[str, Any],
    bins: dict[str, dict[str, int]],
    vocabulary: dict[str, Any],
    libraries: dict[str, str],
    cut_by: dict[str, dict[str, str]],
    url: str,
) -> list[Part]:
    parts = []
    folder = storage.join(url, "work", "tokens")
    for source in sorted(bins):
        mine = [receipt for receipt in receipts["tokens"] if receipt.facts["source"] == source]
        content = _content(
            source,
            section=section,
            bins=bins,
            vocabulary=vocabulary,
            libraries=libraries,
            cut_by=cut_by,
        )
        digests = [receipt.content() for receipt in mine]
        files = [storage.join(folder, receipt.file()) for receipt in mine]
        layout = enumerate(partitions(source, bins=bins))
        for length, (number, (subset, place)) in product(section["row_lengths"], layout):
            own = [length, section["packing"], section["target_rate"], number]
            parts.append(
                Part(
                    name=f"{source}-{subset}-{length}-{place:05d}",
                    fingerprint=part_fingerprint("shards", "parts", content, digests, own),
                    inputs={
                        "files": files,
                        "partition": number,
                        "source": source,
                        "subset": subset,
                        "row_length": length,
                        "packing": section["packing"],
                        "vocabulary": vocabulary["size"],
                        "special": vocabulary["special"],
                        "target_rate": section["target_rate"],
                        "seed": section["seed"],
                        "bin": place,
                        "segmenter": _shown(cut_by.get(source)),
                    },
                    num_bytes=max(1, sum(receipt.counts["num_bytes"] for receipt in mine)),
                )
            )
    return parts


def _shown(segmenter: Mapping[str, str] | None) -> str:
    """Return what a shard's facts say of the segmenter, such as "icu 78.3"; empty without one."""
    return f"{segmenter['name']} {segmenter['icu']}" if segmenter else ""


def pack_bin(part: Part, output: Output) -> None:
    """Pack one bin and write its shard, its document table and its unigram counts."""
    inputs = part.inputs
    schema = rows.texts_schema(is_segmented=bool(inputs["segmenter"]))
    table = partition.read(inputs["files"], inputs["partition"], schema=schema)
    shard, documents, cuts = rows.build_shard(table.sort_by("id"), inputs)
    shard_files.write(part.name, shard, documents, inputs, output)
    output.count(**{f"{name} {shard_files.key(inputs)}": number for name, number in cuts.items()})


def _facts(
    receipts: list[Receipt],
    url: str,
    *,
    vocabulary: Manifest,
    tokens_file: bytes,
    section: dict[str, Any],
    decided: Manifest,
    licences: dict[str, str],
) -> dict[str, Any]:
    """Describe the set: tokenizer, fill, entropy, licences."""
    facts = vocabulary.facts
    proven = json.loads(storage.read_bytes(storage.join(url, "work", "encoder", proof.FILE)))
    return {
        "shard_format": WORDS_FORMAT if "segmenters" in section else SHARD_FORMAT,
        "vocabulary": facts["vocabulary"],
        "special_ids": token_ids.special_ids(
            json.loads(tokens_file),
            size=facts["vocabulary"],
            special=[facts["special_tokens"][name] for name in SPECIAL_TOKENS],
        ),
        "special_tokens": {name: facts["special_tokens"][name] for name in SPECIAL_TOKENS},
        "tokenizer_digest": identity.digest(tokens_file),
        # What encoded the text, and on what it was found equal to `tokenizers`.
        "encoder": proven["encoder"],
        "tokenizer_checks": proven["checks"],
        "row_lengths": section["row_lengths"],
        "packing": section["packing"],
        **shard_files.row_facts(receipts, url, row_lengths=section["row_lengths"]),
        "licences": licences,
        # What became of the documents before, by source and fate.
        "fates": decided.counts,
    }
