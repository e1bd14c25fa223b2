"""What is asked about two segments is learned, measured on held-out rows, and exported.

The documents of `pair_shards` end with other letters than they begin with, so that one can tell.
"""

import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from pair_runs import bind, table
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForNextSentencePrediction,
    AutoTokenizer,
    ModernBertConfig,
)
from transformers import BertForPreTraining as Bert

from train import (
    checkpoint,
    engine,
    evaluate,
    export,
    fit,
    interop,
    model,
    plan,
    recipe,
    report,
    runs,
    session,
)

LEARNED = table(
    "order",
    num_steps=20,
    micro_batch=24,
    log={"every_steps": 1},
    mask={"rate": [0.1]},
    checkpoint={"every_tokens": 1 << 40},
)


@pytest.fixture(scope="module")
def learned(pair_shards, tmp_path_factory) -> tuple[session.Session, Path]:
    """Return a run that is done."""
    bound, folder = bind(pair_shards, LEARNED), tmp_path_factory.mktemp("learned") / "run"
    fit.fit(bound, folder)
    return bound, folder


def test_a_model_sees_both_segments_and_is_that_of_transformers(learned) -> None:
    bound = learned[0]
    run = runs.read(learned[1], data=None)
    folder = export.export(run, runs.load(run))
    batch = bound.stream.step(0, rank=0, world_size=1, micro_batch=24)[0]
    inputs = interop.tensors(batch, isolation="mask")
    network, classify = Bert.from_pretrained(folder), AutoModelForNextSentencePrediction
    with torch.inference_mode():
        loss = network.eval()(**inputs).loss
        nats = runs.load(run).eval()(**engine.inputs(batch, device="cpu"))
        hidden, asked = nats.tensor_split([int(batch.targets.sum())])
        assert float(loss) == pytest.approx(float(hidden.mean() + asked.mean()), rel=1e-4)
        labels = inputs.pop("next_sentence_label")
        del inputs["labels"]
        logits = classify.from_pretrained(folder).eval()(**inputs).logits
        found = torch.nn.functional.cross_entropy(logits, labels)
        assert float(found) == pytest.approx(float(asked.mean()), rel=1e-4)
    assert plan.num_parameters(bound) == sum(p.numel() for p in network.parameters())


def test_two_texts_are_judged_through_the_exported_folder_as_by_evaluation(learned) -> None:
    """The shards' tokenizer here sets nothing around texts, as one that was pinned."""
    run = runs.read(learned[1], data=None)
    folder = export.export(run, runs.load(run))
    ask = AutoTokenizer.from_pretrained(folder)
    classify = AutoModelForNextSentencePrediction.from_pretrained(folder).eval()
    trained = runs.load(run).eval()
    batch = learned[0].stream.step(0, rank=0, world_size=1, micro_batch=24)[0]
    inputs = engine.inputs(dataclasses.replace(batch, shown_ids=batch.input_ids), device="cpu")
    asked = inputs["pairs"]
    with torch.inference_mode():
        _, answers = trained.all_logits(
            inputs["shown_ids"], pieces=inputs["pieces"], places=torch.arange(0), pairs=asked
        )
        for row, answer in list(zip(asked.rows.tolist(), answers, strict=True))[:8]:
            ids = batch.input_ids[row].tolist()
            ends = [at for at, one in enumerate(ids) if one == ask.sep_token_id]
            first, second = ids[1 : ends[0]], ids[ends[0] + 1 : ends[1]]
            two = ask(ask.decode(first), ask.decode(second), return_tensors="pt")
            assert two["input_ids"][0].tolist() == ids[: ends[1] + 1]
            assert two["token_type_ids"][0].tolist() == [0] * (ends[0] + 1) + [1] * len(
                [*second, 0]
            )
            logits = classify(**two).logits[0]
            assert logits.tolist() == pytest.approx(answer.tolist(), rel=1e-3, abs=1e-4)
            assert int(logits.argmax()) == int(answer.argmax())
    assert ask.model_max_length == 32
    assert len(ask("a b " * 99, truncation=True)["input_ids"]) == 32


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Keep torch from waiting for a busy machine's other cores at every one of many small steps."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_whether_two_segments_are_of_one_topic_is_learned(topic_shards, one_thread) -> None:
    made = table("next", mask={"rate": [0.1]})
    made["schedule"] = {
        "tokens": 120 * 48 * 32,
        "rows_per_step": 48,
        "micro_batch": 48,
        "peak_learning_rate": 5e-3,
        "warmup": 0.1,
        "decay": 0.5,
    }
    bound = bind(topic_shards, made)
    network = model.build(bound.recipe, bound.shards, unigram=bound.unigram())
    optimizer = torch.optim.AdamW(network.parameters(), betas=(0.9, 0.98))
    for step in range(bound.num_steps):
        optimizer.param_groups[0]["lr"] = bound.learning_rate(step)
        (batch,) = bound.stream.step(step, rank=0, world_size=1)
        nats = network(**engine.inputs(batch, device="cpu"))
        hidden, asked = nats.tensor_split([int(batch.targets.sum())])
        (hidden.mean() + asked.mean()).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    found = evaluate.ask_pairs(bound, network, row_length=32, device="cpu")
    # One in sixteen exchanged segments is of the same topic, so no model answers more than 97 %.
    assert found["num_rows"] > 500
    assert found["accuracy"] - 4 * found["standard_error"] > 0.7


def test_the_question_is_learned_and_measured_on_held_out_rows(learned) -> None:
    bound, folder = learned
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert log[0]["pair_loss"] == pytest.approx(np.log(2), abs=0.3)
    assert log[-1]["pair_loss"] < 0.5 * log[0]["pair_loss"]
    trained = runs.load(runs.read(folder, data=None))
    found = evaluate.evaluate(bound, trained, step=1, device="cpu")
    asked = found["pair"]
    assert asked["task"] == "order"
    assert asked["num_rows"] == found["num_documents"] == 80
    assert 0.3 < asked["share_changed"] < 0.7
    assert asked["accuracy"] > 0.9
    assert "were they swapped?" in report.figures(found)


def test_accumulation_and_zero_stages_change_neither_loss(pair_shards, tmp_path) -> None:
    logs = []
    for number, (micro, stage) in enumerate(((24, 1), (6, 1), (24, 3))):
        made = table("order", num_steps=3, micro_batch=micro, zero={"stage": stage})
        folder = tmp_path / str(number)
        fit.fit(bind(pair_shards, {**made, "log": {"every_steps": 1}}), folder)
        lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
        logs.append([[line["loss"], line["pair_loss"]] for line in lines])
    for other in logs[1:]:
        assert np.allclose(other, logs[0], rtol=1e-4)


def test_a_step_adds_the_two_means_with_the_weight_of_the_recipe(pair_shards) -> None:
    made = table("order", micro_batch=6, optimizer={"weight_decay": 0.0})
    bound = bind(pair_shards, made)
    ranks = engine.join()
    first = model.build(bound.recipe, bound.shards, unigram=bound.unigram())
    plain = model.build(bound.recipe, bound.shards, unigram=bound.unigram())
    started = engine.start(first, bound.recipe, ranks)
    optimizer = torch.optim.AdamW(
        plain.parameters(), lr=1e-3, betas=(0.9, 0.98), eps=1e-8, weight_decay=0.0
    )
    for step in range(2):
        batches = bound.stream.step(step, rank=0, world_size=1)
        engine.step(started, batches, ranks, learning_rate=1e-3, pair_weight=0.25)
        (whole,) = bound.stream.step(step, rank=0, world_size=1, micro_batch=24)
        nats = plain(**engine.inputs(whole, device="cpu"))
        hidden, asked = nats.tensor_split([int(whole.targets.sum())])
        (hidden.mean() + 0.25 * asked.mean()).backward()
        torch.nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    found = checkpoint.gather(started).weights
    for name, parameter in plain.network.named_parameters():
        # Adam's first steps are as large for a gradient of rounding errors as for any other.
        apart = (found[name] - parameter.detach()).abs()
        assert float(apart.mean()) < 2e-5, name


def test_a_model_with_heads_is_continued_and_one_that_can_have_none_is_refused(
    learned, tmp_path
) -> None:
    bound, folder = learned
    run = runs.read(folder, data=None)
    old = runs.load(run)
    exported = export.export(run, old)
    made = {**LEARNED, "model": {"from": str(exported)}}
    parsed = recipe.parse(made, where="test")
    again = model.build(parsed, bound.shards, unigram=bound.unigram())
    for name, tensor in old.network.state_dict().items():
        assert torch.equal(tensor, again.network.state_dict()[name]), name
    # One that was trained without pairs gets a new head, the same one for the same seed.
    plain = AutoModelForMaskedLM.from_pretrained(exported)
    plain.save_pretrained(tmp_path / "plain")
    for file in exported.glob("tokenizer*"):
        shutil.copy(file, tmp_path / "plain")
    parsed = recipe.parse({**made, "model": {"from": str(tmp_path / "plain")}}, where="test")
    one, other = (model.build(parsed, bound.shards, unigram=bound.unigram()) for _ in range(2))
    for name, tensor in one.network.state_dict().items():
        assert torch.equal(tensor, other.network.state_dict()[name]), name
    ModernBertConfig().save_pretrained(tmp_path / "modern")
    parsed = recipe.parse({**made, "model": {"from": str(tmp_path / "modern")}}, where="test")
    message = r"'modernbert' has no head for pairs .*\"none\""
    with pytest.raises(ValueError, match=message):
        model.build(parsed, bound.shards, unigram=bound.unigram())
    with pytest.raises(ValueError, match=message):
        plan.plan(dataclasses.replace(bound, recipe=parsed), world_size=1)
