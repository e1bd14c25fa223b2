"""Stage `measures`: numbers beside the text, one row per document, in the order of its part.

A measure is never a verdict: quality metrics as integers, the key under which exact duplicates
meet, the MinHash signature under which near duplicates meet. `fates` decides.
"""

import unicodedata
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from corpus import identity, schemas
from corpus.sets import Manifest, Receipt
from pipeline.measure import metrics, minhash, quality
from pipeline.measure.metric_table import SCORES
from pipeline.parts import batches, part_inputs
from pipeline.parts import open_parquet as open_parquet
from pipeline.recipe import Matches, Measures, Recipe
from pipeline.running.flow import Output, Part, Receipts, Stage, Step, identify, part_fingerprint
from pipeline.text import language, pii, token_rule, words

VERSION = 3
_BATCH_ROWS = 256
_DECLARED = [field.name for field in language.FIELDS].index("declared")


def schema(config: Matches) -> pa.Schema:
    """Return the columns of a measures part."""
    return pa.schema(
        [
            pa.field("id", schemas.ID, nullable=False),
            pa.field("source", pa.string(), nullable=False),
            *language.FIELDS,
            *(pa.field(name, pa.int64(), nullable=False) for name in metrics.METRICS),
            *quality.FIELDS,
            pa.field("exact", pa.binary(16), nullable=False),  # xxh3-128 of the normalized view
            pa.field("num_shingles", pa.int64(), nullable=False),
            pa.field(
                "signature",
                pa.list_(pa.field("item", pa.uint32(), nullable=False), config.num_permutations),
                nullable=False,
            ),
        ]
    )


def stage(recipe: Recipe, documents: Manifest, *, data: str) -> Stage:
    """Return the stage over a documents set."""
    config = recipe.matches
    section = {
        "num_permutations": config.num_permutations,
        "shingle_words": config.shingle_words,
        "seed": config.seed,
        "words": words.WORDS_VERSION,
        "metrics": metrics.METRICS_VERSION,
        "tokens": token_rule.VERSION,
        "pii": pii.VERSION,
        "language": language.section(recipe.measures.language_model),
        "quality": quality.section(recipe.measures),
    }
    declared = {source.name: language.declaration(source) for source in recipe.source}
    libraries = {
        **identity.libraries("datasketch", "pyarrow", "xxhash", "zstandard"),
        "unicode": unicodedata.unidata_version,
    }
    return Stage(
        name="measures",
        identity=identify(
            section={**section, "declared": declared},
            version=VERSION,
            libraries=libraries,
            parents={"documents": documents.digest()},
        ),
        steps=[
            Step(
                name="parts",
                plan=partial(
                    _plan,
                    inputs=part_inputs(documents, data=data),
                    content=[VERSION, section, libraries],
                    declared=declared,
                ),
                work=partial(measure_part, config=config, models=recipe.measures),
            )
        ],
        facts=partial(_facts, config=config, documents=documents, section=section),
        num_bytes=documents.counts.get("num_bytes", 0),
    )


def _plan(
    receipts: Receipts,
    *,
    inputs: list[dict[str, Any]],
    content: list[object],
    declared: dict[str, dict[str, Any]],
) -> list[Part]:
    return [
        Part(
            name=entry["name"],
            fingerprint=part_fingerprint(
                "measures", "parts", content, declared[entry["source"]], entry["content"]
            ),
            inputs={
                "documents": entry["url"],
                "source": entry["source"],
                "declared": declared[entry["source"]],
            },
            num_bytes=entry["num_bytes"],
        )
        for entry in inputs
    ]


# Keys and signatures are random: there is nothing in them to compress or to look up. Names repeat.
_NAMES = ["source", "language", "declared"]
_RANDOM = ("exact", "signature.list.element")


def writer(file: Any, columns: pa.Schema) -> pq.ParquetWriter:
    """Open a part for writing."""
    plain = [field.name for field in columns if field.name != "signature"]
    # The stubs know of one setting for all columns only.
    settings: dict[str, Any] = {
        "compression": dict.fromkeys(plain, "zstd") | dict.fromkeys(_RANDOM, "none"),
        "use_dictionary": _NAMES,
        "write_statistics": ["id"],
    }
    return pq.ParquetWriter(file, columns, **settings)


def measure_part(part: Part, output: Output, *, config: Matches, models: Measures) -> None:
    """Measure the documents of one part."""
    columns = schema(config)
    num_rows = 0
    with (
        output.create(f"{part.name}.parquet") as file,
        writer(file, columns) as table,
    ):
        pending: list[pa.RecordBatch] = []
        for batch in batches(
            part.inputs["documents"], ["id", "source", "language", "text"], num_rows=_BATCH_ROWS
        ):
            texts = batch.column("text").to_pylist()
            found = language.columns(
                batch, texts, path=models.language_model, declared=part.inputs["declared"]
            )
            scores = quality.columns(texts, models)
            del texts  # what follows looks at Arrow's bytes, and needs the memory
            pending.append(measure(batch, found, scores, config=config))
            num_rows += batch.num_rows
            if len(pending) == 64:
                table.write_table(pa.Table.from_batches(pending, schema=columns))
                pending = []
        if pending:
            table.write_table(pa.Table.from_batches(pending, schema=columns))
    output.count(num_documents=num_rows)
    output.facts.update(source=part.inputs["source"], num_rows=num_rows)


def measure(
    batch: pa.RecordBatch,
    languages: list[pa.Array],
    scores: list[pa.Array],
    *,
    config: Matches,
) -> pa.RecordBatch:
    """Return the measures of a batch with the columns id, source and text.

    Args:
        batch: of documents.
        languages: the columns language.FIELDS of the same documents.
        scores: the columns quality.FIELDS of the same documents.
        config: of signatures.
    """
    texts = batch.column("text")
    declared = languages[_DECLARED]
    numbers = metrics.measure(texts, declared.to_pylist())
    views = words.normalized_views(texts)
    shingles = minhash.shingle_views(views, size=config.shingle_words)
    signatures = minhash.signatures(
        shingles, num_permutations=config.num_permutations, seed=config.seed
    )
    # Of signs and emoji the view leaves nothing; such texts are the same if they are equal.
    exact = [
        xxhash.xxh3_128_digest(views.text(number) or texts[number].as_py().encode())
        for number in range(len(texts))
    ]
    columns = schema(config)
    return pa.RecordBatch.from_arrays(
        [
            batch.column("id"),
            batch.column("source"),
            *languages,
            *(pa.array(numbers[name], pa.int64()) for name in metrics.METRICS),
            *scores,
            pa.array(exact, pa.binary(16)),
            pa.array(shingles.counts(), pa.int64()),
            pa.FixedSizeListArray.from_arrays(
                pa.array(signatures.reshape(-1)), type=columns.field("signature").type
            ),
        ],
        schema=columns,
    )


def _facts(
    receipts: list[Receipt],
    url: str,
    *,
    config: Matches,
    documents: Manifest,
    section: dict[str, Any],
) -> dict[str, Any]:
    measured = sum(receipt.counts["num_documents"] for receipt in receipts)
    assert measured == documents.counts["num_documents"], "a document was lost on the way"
    return {
        "language": section["language"],
        "quality": section["quality"],
        "words": {
            "version": section["words"],
            "scripts_without_spaces": "each letter, with its marks, is a word (words.py)",
        },
        "signature": {
            "library": "datasketch",
            "scheme": minhash.SCHEME,
            "hash": minhash.HASH,
            "num_permutations": config.num_permutations,
            "seed": config.seed,
        },
        "metrics": {
            name: [metric.definition, metric.unit, metric.source]
            for name, metric in {**metrics.METRICS, **SCORES}.items()
        },
    }


def numbers(table: pa.Table | pa.RecordBatch) -> dict[str, np.ndarray]:
    """Return the metric columns of a measures table as int64 arrays."""
    return {name: table.column(name).to_numpy() for name in metrics.METRICS}
