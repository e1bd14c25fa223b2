"""Held-out loss on fixed targets, beside what counting words achieves on the same targets.

The targets are stored in the held-out shards (15 % of the eligible tokens), so every model of a
shard set is asked the same questions; all of them are shown as [MASK].

Shapes: B rows, L tokens of a row, M targets, P pairs of segments, N documents.
"""

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from corpus import storage
from corpus.progress import Progress
from train import engine, held_out, ngrams

if TYPE_CHECKING:
    from corpus.shards import ShardSet
    from train.model import MaskedModel
    from train.session import Session


@dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """Every held-out target once for each row length."""

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
    row_lengths: NDArray[np.int64]
    """int64 [M]: of the row that the target was asked in; each length asks them all."""

    def of(self, where: NDArray[np.integer]) -> "Answers":
        """Return some of the targets."""
        return Answers(**{field.name: getattr(self, field.name)[where] for field in fields(self)})


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """A paired difference of losses, by documents."""

    difference: float
    """Nats per target; below zero the model is better."""
    standard_error: float


def ask(session: "Session", model: "MaskedModel", *, device: torch.device | str) -> Answers:
    """Return the model's loss at every held-out target, over all row lengths of the run."""
    model.to(device)
    model.eval()
    found: dict[str, list[NDArray[Any]]] = {name: [] for name in Answers.__dataclass_fields__}
    lengths = session.stream.timeline.row_lengths
    total = sum(held_out.num_rows(session, row_length=length) for length in lengths)
    done = 0
    with torch.inference_mode(), Progress("evaluate", total=total, unit="rows") as progress:
        for length in lengths:
            for number, batch in held_out.batches(session, row_length=length):
                rows, places = np.nonzero(batch.targets)
                # Behind these come pairs of segments, of which none is changed here.
                nats = model(**engine.inputs(batch, device=device))[: rows.size]
                found["nats"].append(nats.double().cpu().numpy())
                found["row_lengths"].append(np.full(rows.size, length))
                found["sources"].append(np.full(rows.size, number))
                found["documents"].append(batch.documents()[rows, places])
                # A target is never the first token of a row, which is [CLS].
                found["before"].append(batch.input_ids[rows, places - 1])
                found["answers"].append(batch.input_ids[rows, places])
                done += len(batch.input_ids)
                progress.update(done)
    return Answers(**{name: np.concatenate(parts) for name, parts in found.items()})


def ask_pairs(
    session: "Session", model: "MaskedModel", *, row_length: int, device: torch.device | str
) -> dict[str, Any]:
    """Ask about the two segments of every held-out row that has two.

    Returns:
        plain JSON: the mean loss in nats, the share of right answers with its standard error over
        documents, and the share of rows that were changed.
    """
    model.eval()
    nats, right, changed, documents = [], [], [], []
    with torch.inference_mode():
        for _, batch in held_out.pair_batches(session, row_length=row_length):
            inputs = engine.inputs(batch, device=device)
            asked = inputs["pairs"]
            _, logits = model.all_logits(
                inputs["shown_ids"],
                pieces=inputs["pieces"],
                places=inputs["places"][:0],
                pairs=asked,
            )
            losses = torch.nn.functional.cross_entropy(
                logits.float(), asked.answers, reduction="none"
            )
            nats.append(losses.double().cpu().numpy())
            right.append((logits.argmax(dim=1) == asked.answers).cpu().numpy())
            changed.append(asked.answers.cpu().numpy())
            documents.append(batch.documents()[asked.rows.cpu().numpy(), 1])
    answers = np.concatenate(right).astype(np.float64)
    if not answers.size:
        return {"task": session.recipe.pair_task(), "num_rows": 0}
    share = paired(answers, np.zeros_like(answers), np.concatenate(documents))
    return {
        "task": session.recipe.pair_task(),
        "num_rows": answers.size,
        "loss": float(np.concatenate(nats).mean()),
        "accuracy": share.difference,
        "standard_error": share.standard_error,
        "share_changed": float(np.concatenate(changed).mean()),
    }


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
    """Measure a model on the held-out rows, in each row length of its run.

    Returns:
        plain JSON: losses in nats per target and in bits per byte of the hidden text, for the
        model, the unigram and the bigram, and the paired differences: in rows of the last phase's
        length, and `by_row_length`.
    """
    asked = ask(session, model, device=device)
    counted = ngrams.figures(
        session.stream, counts=session.unigram(), before=asked.before, answers=asked.answers
    )
    num_bytes = bytes_of(session.shards)[asked.answers]
    by_length: dict[str, Any] = {}
    documents: list[dict[str, Any]] = []
    for length in session.stream.timeline.row_lengths:
        where = np.flatnonzero(asked.row_lengths == length)
        mine, theirs = asked.of(where), counted.of(where)
        found = _figures(session, mine, theirs, num_bytes=num_bytes[where], row_length=length)
        if session.recipe.asks_pairs():
            found["pair"] = ask_pairs(session, model, row_length=length, device=device)
        by_length[str(length)] = found
        documents += _by_document(mine, theirs, row_length=length)
    return {
        "step": step,
        "shards_id": session.shards.id,
        "row_length": session.row_length,
        **by_length[str(session.row_length)],
        "by_row_length": by_length,
        "documents": documents,
    }


def _figures(
    session: "Session",
    asked: Answers,
    counted: ngrams.Figures,
    *,
    num_bytes: NDArray[np.int64],
    row_length: int,
) -> dict[str, Any]:
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
    names = held_out.measured(session, row_length=row_length)
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
    }


def _by_document(
    asked: Answers, counted: ngrams.Figures, *, row_length: int
) -> list[dict[str, Any]]:
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
            "row_length": row_length,
            "num_targets": int(num[n]),
            **{name: round(float(values[n]), 4) for name, values in means.items()},
        }
        for n, document in enumerate(documents)
    ]


def bytes_of(shards: "ShardSet") -> NDArray[np.int64]:
    """Return int64 [V]: how many bytes of text each token stands for."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(shards.tokenizer_json().decode())
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
