"""The stream in plain loaders, Hugging Face's Trainer and Lightning: the same rows and masks."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader
from transformers import AutoModelForMaskedLM

from corpus.shards import ShardSet
from train import held_out, interop, presets, recipe, session
from train.interop import HeldOut, TorchStream, only

TABLE = {
    "seed": 4,
    "data": {"row_length": 32},
    "model": {"preset": "nano"},
    "schedule": {
        "tokens": 6 * 8 * 32,
        "rows_per_step": 8,
        "micro_batch": 4,
        "peak_learning_rate": 3e-3,
    },
}


@pytest.fixture(scope="module")
def bound(shards_folder: Path) -> session.Session:
    made = recipe.parse(TABLE, where="test")
    return session.bind(made, ShardSet.open(str(shards_folder)))


def new_network(shards: ShardSet, **model):
    made = recipe.parse({**TABLE, "model": {"preset": "nano", **model}}, where="test")
    special = {"pad": shards.pad_id, "cls": shards.cls_id, "sep": shards.sep_id}
    torch.manual_seed(0)
    return AutoModelForMaskedLM.from_config(
        presets.configuration(
            made.model, vocabulary=shards.vocabulary, special_ids=special, row_length=64
        )
    )


@pytest.fixture
def network(bound):
    return new_network(bound.shards)


def window(network) -> int:
    return getattr(network.config, "local_attention", 0)


def wanted(bound) -> list[interop.Inputs]:
    """Return what the training loop of `fit` sees, made without threads or loaders."""
    return [
        interop.tensors(batch, is_isolated=True)
        for step in range(bound.num_steps)
        for batch in bound.stream.step(step, rank=0, world_size=1)
    ]


def equal(one: interop.Inputs, other: interop.Inputs) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


@pytest.mark.parametrize("num_workers", [0, 1, 2])
def test_a_plain_loader_gives_the_same_batches_in_order_with_any_workers(bound, num_workers):
    loader = DataLoader(TorchStream(bound.stream), batch_size=None, num_workers=num_workers)
    found = list(loader)
    assert len(found) == 12
    assert all(equal(one, other) for one, other in zip(found, wanted(bound), strict=True))
    later = TorchStream(bound.stream, first_step=4)
    rest = list(DataLoader(later, batch_size=None, num_workers=num_workers))
    assert all(equal(one, other) for one, other in zip(rest, found[8:], strict=True))


def test_workers_that_stay_give_the_same_batches_every_time(bound) -> None:
    later = TorchStream(bound.stream, first_step=4)
    loader = DataLoader(
        later,
        batch_size=None,
        num_workers=2,
        persistent_workers=True,
        pin_memory=torch.cuda.is_available(),
    )
    for _ in range(2):
        found = list(loader)
        assert all(equal(one, other) for one, other in zip(found, wanted(bound)[8:], strict=True))


def test_a_process_that_is_not_forked_gets_the_same_rows(bound) -> None:
    next(iter(TorchStream(bound.stream)))  # with shards that are open, and mapped into memory
    for rows in (TorchStream(bound.stream), HeldOut(bound)):
        sent = pickle.loads(pickle.dumps(rows))
        assert all(equal(one, other) for one, other in zip(sent, rows, strict=True))


@pytest.mark.parametrize(("world", "num_workers"), [(2, 0), (2, 2), (4, 3)])
def test_what_accelerate_deals_out_in_each_process_is_the_same(bound, world, num_workers) -> None:
    """As `Trainer` does with `dispatch_batches=False`: every rank reads all, and keeps its own."""
    data_loader = pytest.importorskip("accelerate.data_loader", reason="extra dev is not installed")
    text = [batch["input_ids"] for batch in wanted(bound)]
    for rank in range(world):
        rows = data_loader.IterableDatasetShard(
            TorchStream(bound.stream), batch_size=1, num_processes=world, process_index=rank
        )
        loader = DataLoader(rows, batch_size=1, collate_fn=only, num_workers=num_workers)
        found = [batch["input_ids"] for batch in loader]
        assert all(torch.equal(a, b) for a, b in zip(found, text[rank::world], strict=True))


@pytest.mark.parametrize(
    ("rank", "world", "message"),
    [(0, 3, "does not divide over 3 ranks"), (2, 2, "got 2 of 2"), (-1, 2, "got -1 of 2")],
)
def test_parts_that_would_lose_rows_are_refused(bound, rank, world, message) -> None:
    with pytest.raises(ValueError, match=message):
        TorchStream(bound.stream, rank=rank, world_size=world)


def test_ranks_share_each_step_between_them(bound) -> None:
    whole = [part["input_ids"] for part in TorchStream(bound.stream)]
    ranks = [
        [part["input_ids"] for part in TorchStream(bound.stream, rank=rank, world_size=2)]
        for rank in range(2)
    ]
    dealt = [batch for step in zip(*ranks, strict=True) for batch in step]
    assert all(torch.equal(one, other) for one, other in zip(dealt, whole, strict=True))


def test_labels_are_the_text_at_the_hidden_places_and_nothing_else(bound) -> None:
    batch = bound.stream.step(0, rank=0, world_size=1)[0]
    made = interop.tensors(batch, is_isolated=False)
    targets = torch.from_numpy(batch.targets)
    text = torch.from_numpy(batch.input_ids)
    assert torch.equal(made["labels"][targets], text[targets])
    assert (made["labels"][~targets] == interop.IGNORED).all()
    assert torch.equal(torch.where(targets, text, made["input_ids"]), text)
    assert torch.equal(made["attention_mask"].bool(), text != 0)


@pytest.mark.parametrize("model", [{"local_attention": 16}, {"family": "bert"}])
def test_an_isolated_document_is_read_as_if_it_were_alone(many_shards, model) -> None:
    table = {**TABLE, "data": {"row_length": 64}}
    long = session.bind(recipe.parse(table, where="test"), ShardSet.open(str(many_shards)))
    network = new_network(long.shards, **model).eval()
    batch = long.stream.step(0, rank=0, world_size=1)[0]
    packed = interop.tensors(batch, is_isolated=True, local_attention=window(network))
    labels = packed.pop("labels")
    with torch.inference_mode():
        together = network(**packed).logits
        start, before, longest = 0, -1, 0
        for row, end in zip(batch.piece_rows.tolist(), batch.piece_ends.tolist(), strict=True):
            start = start if row == before else 0
            alone = network(input_ids=packed["input_ids"][row : row + 1, start:end]).logits
            assert torch.allclose(alone[0], together[row, start:end], atol=1e-4)
            longest = max(longest, end - start)
            start, before = end, row
        assert torch.isfinite(together[labels != interop.IGNORED]).all()
    # Rows of several documents, one of them longer than the window.
    assert np.unique(batch.piece_rows, return_counts=True)[1].max() > 1
    assert longest > 32


def test_held_out_rows_come_once_with_their_stored_targets(bound) -> None:
    batches = [batch for _, batch in held_out.batches(bound, row_length=32)]
    for num_workers in (0, 2):
        found = list(DataLoader(HeldOut(bound), batch_size=None, num_workers=num_workers))
        assert len(found) == len(batches)
        for one, batch in zip(found, batches, strict=True):
            assert np.array_equal(one["labels"].numpy() != interop.IGNORED, batch.targets)
            assert np.array_equal(one["input_ids"].numpy(), batch.shown_ids)


def test_the_trainer_of_hugging_face_sees_these_batches_and_goes_on_where_it_stopped(
    bound, network, tmp_path
) -> None:
    pytest.importorskip("accelerate", reason="transformers' Trainer needs accelerate")
    from transformers import Trainer, TrainingArguments

    class Watched(Trainer):
        def compute_loss(self, model, inputs, *known, **named):
            seen.append(inputs["input_ids"].clone())
            return super().compute_loss(model, inputs, *known, **named)

    def run(num_steps: int, first_step: int) -> Trainer:
        rows = TorchStream(bound.stream, first_step=first_step, local_attention=window(network))
        arguments = TrainingArguments(
            output_dir=str(tmp_path),
            max_steps=num_steps,
            per_device_train_batch_size=1,  # a batch of ours
            per_device_eval_batch_size=1,
            gradient_accumulation_steps=2,
            learning_rate=3e-3,
            ignore_data_skip=True,
            save_steps=4,
            report_to="none",
            use_cpu=True,
            disable_tqdm=True,
            logging_strategy="no",
        )
        held_out = HeldOut(bound, local_attention=window(network))
        trainer = Watched(
            model=network,
            args=arguments,
            train_dataset=rows,
            eval_dataset=held_out,
            data_collator=only,
        )
        trainer.train(resume_from_checkpoint=first_step > 0)
        return trainer

    seen: list[torch.Tensor] = []
    text = [batch["input_ids"] for batch in wanted(bound)]
    trainer = run(4, 0)
    assert len(seen) == 8
    assert all(torch.equal(one, other) for one, other in zip(seen, text[:8], strict=True))
    assert 0 < trainer.evaluate()["eval_loss"] < 10
    seen = []
    run(6, 4)
    assert all(torch.equal(one, other) for one, other in zip(seen[:4], text[8:], strict=True))


def test_a_lightning_module_trains_and_validates_on_these_batches(bound, network, tmp_path):
    lightning = pytest.importorskip(
        "pytorch_lightning", reason="pytorch-lightning is not installed"
    )

    class Shards(lightning.LightningDataModule):
        def train_dataloader(self):
            rows = TorchStream(
                bound.stream,
                first_step=self.trainer.global_step,
                rank=self.trainer.global_rank,
                world_size=self.trainer.world_size,
                local_attention=window(network),
            )
            return DataLoader(rows, batch_size=None)

        def val_dataloader(self):
            return DataLoader(HeldOut(bound, local_attention=window(network)), batch_size=None)

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.network = network

        def training_step(self, batch, _):
            seen.append(batch["input_ids"].clone())
            return self.network(**batch).loss

        def validation_step(self, batch, _):
            losses.append(float(self.network(**batch).loss))

        def configure_optimizers(self):
            return torch.optim.AdamW(self.parameters(), lr=3e-3)

    def run(num_steps: int, checkpoint: Path | None = None) -> lightning.Trainer:
        trainer = lightning.Trainer(
            max_steps=num_steps,
            accumulate_grad_batches=2,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=tmp_path,
        )
        trainer.fit(Module(), datamodule=Shards(), ckpt_path=checkpoint)
        return trainer

    seen: list[torch.Tensor] = []
    losses: list[float] = []
    text = [batch["input_ids"] for batch in wanted(bound)]
    part = run(4)
    part.save_checkpoint(tmp_path / "part.ckpt")
    assert all(torch.equal(one, other) for one, other in zip(seen, text[:8], strict=True))
    assert losses
    assert all(np.isfinite(losses))
    seen = []
    assert run(6, tmp_path / "part.ckpt").global_step == 6
    assert all(torch.equal(one, other) for one, other in zip(seen, text[8:], strict=True))
