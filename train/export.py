"""Write a Hugging Face folder that loads without this project, and prove that it is the model.

RUN/model/   config.json  model.safetensors  tokenizer.json  tokenizer_config.json  README.md
"""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from corpus import row_form
from train import attention, engine, pairs, runs
from train.held_out import some_text

if TYPE_CHECKING:
    from train.model import MaskedModel
    from train.runs import Run

TOLERANCE = 1e-5
"""Largest difference of a logit between the exported model and the one that trained, in units of
the largest logit (at least 1): fp32 sums in another order differ by so much, a wrong model by more.
"""

_PIECES = 8
_QUESTIONS = {
    "order": "whether two segments were swapped",
    "next": "whether the second of two segments follows the first",
}


def export(run: "Run", model: "MaskedModel") -> Path:
    """Export the run's latest checkpoint.

    The folder appears only after it was read back and found to give the same logits: one piece of
    text at a time, where the training model sees whole packed rows.

    Returns:
        RUN/model.
    """
    from transformers import logging

    logging.disable_progress_bar()
    target = run.folder / "model"
    attempt = run.folder / ".tmp-model"
    if attempt.exists():
        shutil.rmtree(attempt)
    network = model.network
    network.set_attn_implementation("sdpa")
    network.save_pretrained(attempt)
    network.set_attn_implementation(attention.NAME)
    for name, content in _tokenizer_files(run).items():
        if name.startswith(("tokenizer", "special_tokens", "vocab", "merges")):
            (attempt / name).write_bytes(content)
    worst = difference(run, model, attempt)
    if worst > TOLERANCE:
        raise RuntimeError(
            f"{attempt}: the exported model's logits differ by {worst:.1e} of the largest, more "
            f"than {TOLERANCE:.0e}; nothing was exported"
        )
    evaluation = run.folder / "evaluation.json"
    measured = json.loads(evaluation.read_text()) if evaluation.is_file() else None
    card = model_card(run, measured=measured, worst=worst)
    (attempt / "README.md").write_text(card, encoding="utf-8")
    (attempt / "gristmill.json").write_text(json.dumps(runs.origin(run), indent=1) + "\n")
    if target.exists():
        shutil.rmtree(target)
    attempt.rename(target)
    return target


def _tokenizer_files(run: "Run") -> dict[str, bytes]:
    """Return the tokenizer's files: of two texts it makes what the model was trained on."""
    shards, recipe = run.session.shards, run.session.recipe
    return row_form.files(
        shards.tokenizer_files(),
        special=shards.manifest.facts["special_tokens"],
        row_length=recipe.longest_row(),
        pair=recipe.asks_pairs(),
    )


def difference(run: "Run", model: "MaskedModel", folder: Path) -> float:
    """Return the largest difference of a logit on some text, in units of the largest logit."""
    from transformers import AutoModelForMaskedLM, AutoModelForNextSentencePrediction, logging

    def read(kind: Any) -> Any:
        # Each class leaves out the heads of the other, and would say so at length.
        before = logging.get_verbosity()
        logging.set_verbosity_error()
        found = kind.from_pretrained(folder, dtype=torch.float32).eval()
        logging.set_verbosity(before)
        return found

    exported = read(AutoModelForMaskedLM)
    model.eval()
    batch = some_text(run.session)
    inputs = engine.inputs(batch, device="cpu")
    shown, bounds, asked = inputs["shown_ids"], inputs["pieces"], inputs.get("pairs")
    num_rows, length = shown.shape
    places = torch.arange(num_rows * length)
    ends, rows = (part.astype(np.int64) for part in pairs.whole_rows(batch))
    wanted = {int(end) for end in (ends + rows * length)[:_PIECES]}
    classify = None if asked is None else read(AutoModelForNextSentencePrediction)
    worst = 0.0

    def compare(alone: torch.Tensor, packed: torch.Tensor) -> None:
        nonlocal worst
        apart = float((alone - packed).abs().max())
        worst = max(worst, apart / max(1.0, float(alone.abs().max())))

    with torch.inference_mode():
        packed, answers = model.all_logits(shown, pieces=bounds, places=places, pairs=asked)
        for start, end in bounds.spans:
            if end not in wanted:
                continue
            alone = {"input_ids": shown.flatten()[None, start:end]}
            if asked is not None:
                alone["token_type_ids"] = asked.token_types.flatten()[None, start:end]
                mine = torch.nonzero(asked.rows == start // length).flatten()
                if classify is not None and mine.numel():
                    compare(classify(**alone).logits[0], answers[mine[0]])
            compare(exported(**alone).logits[0], packed[start:end])
    return worst


def model_card(run: "Run", *, measured: dict[str, Any] | None, worst: float) -> str:
    """Return the README of an exported model, in Hugging Face's form."""
    recipe, facts = run.session.recipe, run.facts
    tokens = run.session.tokens(run.state.step)
    epochs = run.session.stream.epochs(run.state.next_row)
    lines = [
        "---",
        "library_name: transformers",
        "pipeline_tag: fill-mask",
        "mask_token: '[MASK]'",
        "tags: [fill-mask, gristmill]",
        "---",
        "",
        f"# {run.folder.name}",
        "",
        f"A masked language model of {facts['num_parameters']:,} parameters "
        f"({facts['configuration']['model_type']}), "
        + (
            f"continued from `{recipe.model.start_from}`"
            if recipe.model.start_from
            else "trained from scratch"
        )
        + f" on {tokens:,} tokens of packed rows of {recipe.longest_row()}.",
        "",
        "| source | passes over its rows |",
        "|---|---|",
        *(f"| {name} | {passes:.2f} |" for name, passes in epochs.items()),
        "",
        f"Shard set `{run.state.shards_id}` (manifest sha256 `{run.state.shards_digest}`), "
        f"seed {recipe.seed}, step {run.state.step} of {run.session.num_steps}, digest of all rows "
        f"and masks `{run.state.chain}`.",
    ]
    if measured is not None and measured["step"] == run.state.step and "row_length" in measured:
        lines += [
            "",
            f"Held-out loss on {measured['num_targets']:,} fixed targets in "
            f"{measured['num_documents']} documents, in rows of {measured['row_length']} tokens:",
            "",
            "| | nats per target | bits per byte |",
            "|---|---|---|",
            *(
                f"| {name} | {measured[name]['loss']:.3f} | {measured[name]['bits_per_byte']:.3f} |"
                for name in ("model", "unigram", "bigram")
            ),
        ]
        found = measured.get("pair")
        if found is not None and found["num_rows"]:
            lines += [
                "",
                f"Of {found['num_rows']:,} held-out pairs of segments "
                f"{100 * found['accuracy']:.1f} % were judged right "
                f"({100 * found['share_changed']:.1f} % of them were changed).",
            ]
    if recipe.asks_pairs():
        lines += [
            "",
            f"It was also asked {_QUESTIONS[recipe.pair_task()]}"
            "; `AutoModelForNextSentencePrediction` reads that head, and label 0 means as in the "
            "text.",
        ]
    lines += [
        "",
        "## Use",
        "",
        "    from transformers import pipeline",
        "    pipeline('fill-mask', model='path/to/this/folder')('... [MASK] ...')",
        "",
        "## Limits",
        "",
        "The model repeats what its training text says, with that text's errors and bias. "
        f"It was trained on pieces of at most {recipe.longest_row()} tokens. On export its "
        f"logits agreed with those of the training program to {worst:.1g}.",
        "",
    ]
    return "\n".join(lines)
