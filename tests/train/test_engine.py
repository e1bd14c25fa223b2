"""One optimizer step: independent of accumulation, safe against bad losses, nothing compiled."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from train import checkpoint, engine, model, recipe, session


def begin(shards, table: dict, **schedule):
    table = {**table, "schedule": {**table["schedule"], **schedule}}
    bound = session.bind(recipe.parse(table, where="test"), shards)
    ranks = engine.join()
    module = model.build(bound.recipe, shards, unigram=bound.unigram())
    return bound, engine.start(module, bound.recipe, ranks), ranks


def steps(shards, table: dict, num: int, **schedule):
    bound, started, ranks = begin(shards, table, **schedule)
    results = [
        engine.step(
            started,
            bound.stream.step(number, rank=0, world_size=1),
            ranks,
            learning_rate=1e-3,
        )
        for number in range(num)
    ]
    return results, checkpoint.gather(started)


def test_accumulation_changes_nothing_but_rounding(shards, recipe_table) -> None:
    # Rows hold different numbers of hidden tokens, so a mean of means would differ at once.
    whole, weights = steps(shards, recipe_table, 3, micro_batch=8)
    parts, others = steps(shards, recipe_table, 3, micro_batch=1)
    for one, other in zip(whole, parts, strict=True):
        assert one.checksum == other.checksum
        assert one.num_targets == other.num_targets
        assert one.loss == pytest.approx(other.loss, rel=1e-5)
    for name, tensor in weights.weights.items():
        assert torch.allclose(tensor, others.weights[name], atol=2e-5), name


@pytest.mark.parametrize("stage", [0, 2, 3])
def test_zero_stages_agree(shards, recipe_table, stage) -> None:
    base, _ = steps(shards, recipe_table, 3)
    other, _ = steps(shards, {**recipe_table, "zero": {"stage": stage}}, 3)
    assert [r.loss for r in base] == pytest.approx([r.loss for r in other], rel=1e-5)


def test_a_step_is_that_of_plain_torch(shards, recipe_table) -> None:
    bound, started, ranks = begin(shards, recipe_table)
    plain = model.build(bound.recipe, shards, unigram=bound.unigram())
    decayed = [p for n, p in plain.named_parameters() if p.ndim > 1 and "embeddings" not in n]
    others = [p for p in plain.parameters() if all(p is not d for d in decayed)]
    config = bound.recipe.optimizer
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": config.weight_decay}, {"params": others}],
        lr=1e-3,
        betas=(config.betas[0], config.betas[1]),
        eps=config.eps,
        weight_decay=0.0,
    )
    for number in range(3):
        batches = bound.stream.step(number, rank=0, world_size=1, micro_batch=4)
        result = engine.step(started, batches, ranks, learning_rate=1e-3)
        losses = torch.cat([plain(**engine.inputs(batch, device="cpu")) for batch in batches])
        assert result.loss == pytest.approx(float(losses.mean()), rel=1e-5)
        losses.mean().backward()
        torch.nn.utils.clip_grad_norm_(plain.parameters(), config.gradient_clipping)
        optimizer.step()
        optimizer.zero_grad()


def test_a_loss_that_is_not_finite_stops_before_the_update(shards, recipe_table) -> None:
    bound, started, ranks = begin(shards, recipe_table)
    batches = bound.stream.step(0, rank=0, world_size=1, micro_batch=4)
    started.module.network.decoder.bias.data[5:] = float("nan")
    before = checkpoint.gather(started)
    with pytest.raises(engine.NonFiniteLossError, match="peak_learning_rate"):
        engine.step(started, batches, ranks, learning_rate=1e-3)
    after = checkpoint.gather(started)
    assert all(torch.equal(before.weights[n], after.weights[n]) for n in before.weights)


def test_a_new_model_starts_at_the_unigram_loss(shards, recipe_table) -> None:
    results, _ = steps(shards, recipe_table, 1)
    bound = session.bind(recipe.parse(recipe_table, where="test"), shards)
    batch = bound.stream.step(0, rank=0, world_size=1, micro_batch=8)[0]
    counts = bound.unigram()
    frequencies = torch.tensor(counts / counts.sum())
    answers = torch.from_numpy(batch.input_ids[batch.targets])
    assert results[0].loss == pytest.approx(float(-frequencies[answers].log().mean()), abs=0.1)


def test_nothing_is_compiled_on_a_cpu(tmp_path: Path) -> None:
    code = (
        "from train import engine; import torch.distributed as d;"
        "ranks = engine.join(); assert ranks.world_size == 1; d.destroy_process_group()"
    )
    environment = {**os.environ, "TORCH_EXTENSIONS_DIR": str(tmp_path), "CUDA_VISIBLE_DEVICES": ""}
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        environment.pop(name, None)
    subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=Path(__file__).parents[2],
        check=True,
        timeout=120,
    )
    assert list(tmp_path.iterdir()) == []
