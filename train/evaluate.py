"""Held-out loss on fixed targets, beside what counting words achieves on the same targets.

The targets are stored in the held-out shards (15 % of the eligible tokens), so every model of a
shard set is asked the same questions; all of them are shown as [MASK].

Shapes: B rows, L tokens of a row, M targets, N documents.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from corpus import storage
from corpus.progress import Progress
from train import engine, ngrams
from train.stream import Batch

if TYPE_CHECKING:
    from corpus.shards import ShardSet
    from train.model import MaskedModel
    from train.session import Session

_ROWS = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """Every held-out target once."""

    sources: NDArray[np.int64]
    """int64 [M]: the source's place in the mixture."""
    documents: NDArray[np.uint64]
    """uint64 [M]: the document of the target."""
    before: NDArray[np.int64]
    """int64 [M]: the id to the left of the target."""
    answers: NDArray[np.int64]
    """int64 [M]: the id at the target."""
    nats: NDArray[np.float64]
    """float64 [M]: the model's cross-entropy."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """A paired difference of losses, by documents."""

    difference: float
    """Nats per target; below zero the model is better."""
    standard_error: float


def measured(session: "Session") -> list[str]:
    """Return the sources that have held-out rows; a small one may have none.

    Raises:
        ValueError: none has.
    """
    length = session.recipe.data.row_length
    found = {
        shard.source
        for shard in session.shards.shards
        if (shard.subset, shard.row_length) == ("held_out", length)
    }
    names = [name for name in session.sources if name in found]
    if not names:
        raise ValueError(
            f"{session.shards.url}: no held-out documents to measure on; raise fates.held_out in "
            "the corpus recipe and run `make shards`"
        )
    return names


def some_text(session: "Session") -> Batch:
    """Return a batch of the first rows there are: held out, or for want of them trained on."""
    length = session.recipe.data.row_length
    first = min(
        (shard for shard in session.shards.shards if shard.row_length == length),
        key=lambda shard: (shard.subset != "held_out", shard.name),
    )
    rows = session.shards.rows(first.source, first.subset, length)
    indices = np.arange(min(_ROWS, rows.num_rows))
    part = rows.take(indices)
    input_ids = part.input_ids.astype(np.int64)
    return Batch(
        indices=indices.astype(np.uint64),
        input_ids=input_ids,
        piece_ends=part.piece_ends,
        piece_rows=part.piece_rows,
        piece_documents=part.piece_documents,
        shown_ids=input_ids,
        targets=np.zeros(input_ids.shape, dtype=np.bool_),
    )


def held_out(session: "Session") -> Iterator[tuple[int, Batch]]:
    """Yield (source, batch) over all held-out rows, masked at the stored targets."""
    length = session.recipe.data.row_length
    names = measured(session)
    for number, name in enumerate(session.sources):
        if name not in names:
            continue
        rows = session.shards.rows(name, "held_out", length)
        for start in range(0, rows.num_rows, _ROWS):
            indices = np.arange(start, min(start + _ROWS, rows.num_rows))
            part = rows.take(indices)
            assert part.targets is not None
            input_ids = part.input_ids.astype(np.int64)
            yield (
                number,
                Batch(
                    indices=indices.astype(np.uint64),
                    input_ids=input_ids,
                    piece_ends=part.piece_ends,
                    piece_rows=part.piece_rows,
                    piece_documents=part.piece_documents,
                    shown_ids=np.where(part.targets, session.shards.mask_id, input_ids),
                    targets=part.targets,
                ),
            )


def ask(session: "Session", model: "MaskedModel", *, device: torch.device | str) -> Answers:
    """Return the model's loss at every held-out target."""
    model.to(device)
    model.eval()
    found: dict[str, list[NDArray[Any]]] = {name: [] for name in Answers.__dataclass_fields__}
    length = session.recipe.data.row_length
    total = sum(
        shard.num_rows
        for name in measured(session)
        for shard in session.shards.select(source=name, subset="held_out", row_length=length)
    )
    done = 0
    with torch.inference_mode(), Progress("evaluate", total=total, unit="rows") as progress:
        for number, batch in held_out(session):
            nats = model(**engine.inputs(batch, device=device))
            rows, places = np.nonzero(batch.targets)
            found["nats"].append(nats.double().cpu().numpy())
            found["sources"].append(np.full(rows.size, number))
            found["documents"].append(batch.documents()[rows, places])
            # A target is never the first token of a row, which is [CLS].
            found["before"].append(batch.input_ids[rows, places - 1])
            found["answers"].append(batch.input_ids[rows, places])
            done += len(batch.input_ids)
            progress.update(done)
    return Answers(**{name: np.concatenate(parts) for name, parts in found.items()})


def paired(
    nats: NDArray[np.float64], other: NDArray[np.float64], documents: NDArray[np.uint64]
) -> Difference:
    """Return the mean difference per target, with its standard error over documents.

    Targets of one document are not independent, so documents are the units: the mean is a ratio of
    sums over documents, and its error that of a ratio estimator (Cochran 1977, section 2.11).
    """
    _, unit = np.unique(documents, return_inverse=True)
    num = np.bincount(unit).astype(np.float64)
    sums = np.bincount(unit, weights=nats - other)
    mean = sums.sum() / num.sum()
    if num.size < 2:
        return Difference(difference=float(mean), standard_error=float("nan"))
    spread = ((sums - mean * num) ** 2).sum() * num.size / (num.size - 1)
    return Difference(difference=float(mean), standard_error=float(np.sqrt(spread) / num.sum()))


def evaluate(
    session: "Session", model: "MaskedModel", *, step: int, device: torch.device | str
) -> dict[str, Any]:
    """Measure a model on the held-out rows.

    Returns:
        plain JSON: losses in nats per target and in bits per byte of the hidden text, for the
        model, the unigram and the bigram; and the paired differences.
    """
    asked = ask(session, model, device=device)
    counted = ngrams.figures(
        session.stream, counts=session.unigram(), before=asked.before, answers=asked.answers
    )
    num_bytes = bytes_of(session.shards)[asked.answers]

    def losses(nats: NDArray[np.float64], where: NDArray[np.bool_] | slice) -> dict[str, float]:
        bits = nats[where].sum() / np.log(2)
        return {
            "loss": float(nats[where].mean()),
            "bits_per_byte": float(bits / num_bytes[where].sum()),
        }

    def versus(other: NDArray[np.float64]) -> dict[str, float]:
        found = paired(asked.nats, other, asked.documents)
        return {"difference": found.difference, "standard_error": found.standard_error}

    sources = {}
    names = measured(session)
    for number, name in enumerate(session.sources):
        if name not in names:
            continue
        where = asked.sources == number
        sources[name] = {
            "num_targets": int(where.sum()),
            "num_documents": int(np.unique(asked.documents[where]).size),
            "model": losses(asked.nats, where),
            "unigram": losses(counted.unigram, where),
            "bigram": losses(counted.bigram, where),
        }
    everything = slice(None)
    return {
        "step": step,
        "shards_id": session.shards.id,
        "num_targets": int(asked.nats.size),
        "num_documents": int(np.unique(asked.documents).size),
        "model": losses(asked.nats, everything),
        "unigram": losses(counted.unigram, everything),
        "bigram": {
            **losses(counted.bigram, everything),
            "weight": counted.weight,
            "num_tokens": counted.num_tokens,
        },
        "versus_unigram": versus(counted.unigram),
        "versus_bigram": versus(counted.bigram),
        "sources": sources,
        "sources_without_held_out": [name for name in session.sources if name not in names],
        "documents": _by_document(asked, counted),
    }


def _by_document(asked: Answers, counted: ngrams.Figures) -> list[dict[str, Any]]:
    documents, unit = np.unique(asked.documents, return_inverse=True)
    num = np.bincount(unit)
    means = {
        "loss": np.bincount(unit, weights=asked.nats) / num,
        "unigram": np.bincount(unit, weights=counted.unigram) / num,
        "bigram": np.bincount(unit, weights=counted.bigram) / num,
    }
    return [
        {
            "document": f"{int(document):016x}",
            "num_targets": int(num[n]),
            **{name: round(float(values[n]), 4) for name, values in means.items()},
        }
        for n, document in enumerate(documents)
    ]


def bytes_of(shards: "ShardSet") -> NDArray[np.int64]:
    """Return int64 [V]: how many bytes of text each token stands for."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(shards.tokenizer_files()["tokenizer.json"].decode())
    # A byte-level alphabet spells each byte as one character.
    byte_level = "ByteLevel" in repr(tokenizer.decoder)
    sizes = np.zeros(shards.vocabulary, dtype=np.int64)
    for token, number in tokenizer.get_vocab(with_added_tokens=True).items():
        sizes[number] = len(token) if byte_level else len(token.removeprefix("##").encode())
    return sizes


def write(run: Path, result: dict[str, Any]) -> Path:
    """Write RUN/evaluation.json and RUN/evaluation-documents.jsonl; return the first."""
    documents = result["documents"]
    lines = "".join(json.dumps(line) + "\n" for line in documents)
    storage.write_bytes(str(run / "evaluation-documents.jsonl"), lines.encode())
    summary = {name: value for name, value in result.items() if name != "documents"}
    path = run / "evaluation.json"
    storage.write_bytes(str(path), (json.dumps(summary, indent=1) + "\n").encode())
    return path
