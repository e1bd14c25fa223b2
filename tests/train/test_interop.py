"""The stream in plain loaders, Hugging Face's Trainer and Lightning: the same rows and masks."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from loop_batches import TABLE, equal, wanted
from torch.utils.data import DataLoader
from transformers import AutoModelForMaskedLM, RobertaConfig

from corpus.shards import ShardSet
from train import attention, engine, held_out, interop, presets, recipe, session
from train.interop import HeldOut, TorchStream, only
from train.model import MaskedModel


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
    made = new_network(bound.shards)
    attention.isolate(made)
    return made


def window(network) -> int:
    return getattr(network.config, "local_attention", 0)


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


@pytest.mark.slow
@pytest.mark.parametrize("way", ["spawn", "forkserver"])
def test_workers_that_are_not_forked_give_the_same_batches(bound, way) -> None:
    every = {"batch_size": None, "multiprocessing_context": way}
    found = list(DataLoader(TorchStream(bound.stream), num_workers=2, **every))
    assert all(equal(one, other) for one, other in zip(found, wanted(bound), strict=True))
    assert len(list(DataLoader(HeldOut(bound), num_workers=1, **every))) == len(
        list(HeldOut(bound))
    )


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
    [
        (0, 3, r"does not divide over 3 ranks; set \[schedule\] rows_per_step = 9"),
        (2, 2, "got 2 of 2"),
        (-1, 2, "got -1 of 2"),
        (1, None, "give both"),
    ],
)
def test_parts_that_would_lose_rows_are_refused(bound, rank, world, message) -> None:
    with pytest.raises(ValueError, match=message):
        TorchStream(bound.stream, rank=rank, world_size=world)
    if world is not None:
        with pytest.raises(ValueError, match=message):
            bound.stream.cuts(0, rank=rank, world_size=world)


def test_a_step_before_the_first_is_refused(bound) -> None:
    with pytest.raises(ValueError, match="counted from 0, got -1"):
        TorchStream(bound.stream, first_step=-1)
    with pytest.raises(ValueError, match="counted from 0, got -1"):
        bound.stream.step(-1, rank=0, world_size=1)


def test_a_step_behind_the_end_is_refused_and_the_end_is_a_finished_run(bound) -> None:
    rows = TorchStream(bound.stream, first_step=6)
    assert list(rows) == []
    end = rows.state_dict()
    with pytest.raises(ValueError, match="ends after 6 steps and cannot go on at step 7"):
        TorchStream(bound.stream, first_step=7)
    rows.first_step = 7
    with pytest.raises(ValueError, match="cannot go on at step 7"):
        iter(rows)
    rows = TorchStream(bound.stream)
    with pytest.raises(ValueError, match="cannot go on at step 7"):
        rows.load_state_dict({**end, "step": 7})
    rows.load_state_dict(end)
    assert list(rows) == []
    for step in (6, 7):
        with pytest.raises(ValueError, match=f"has 6 steps, counted from 0, and no step {step}"):
            bound.stream.cuts(step, rank=0, world_size=1)


def test_several_processes_must_say_which_batches_are_theirs(bound, monkeypatch) -> None:
    alone = TorchStream(bound.stream)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="2 processes train together"):
        TorchStream(bound.stream)
    with pytest.raises(ValueError, match="2 processes train together"):
        next(iter(alone))
    assert len(list(TorchStream(bound.stream, rank=1, world_size=2))) == 6


def test_batches_that_a_loader_would_join_are_refused(bound) -> None:
    loader = DataLoader(TorchStream(bound.stream), batch_size=2, collate_fn=only)
    with pytest.raises(ValueError, match=r"joins 2 batches .* torchrun"):
        next(iter(loader))


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
    made = interop.tensors(batch, isolation="none")
    targets = torch.from_numpy(batch.targets)
    text = torch.from_numpy(batch.input_ids)
    assert torch.equal(made["labels"][targets], text[targets])
    assert (made["labels"][~targets] == interop.IGNORED).all()
    assert torch.equal(torch.where(targets, text, made["input_ids"]), text)
    assert torch.equal(made["attention_mask"].bool(), text != 0)


@pytest.mark.parametrize("isolation", ["pieces", "mask"])
@pytest.mark.parametrize("model", [{"local_attention": 16}, {"family": "bert"}])
def test_an_isolated_document_is_read_as_if_it_were_alone(many_shards, model, isolation) -> None:
    table = {**TABLE, "data": {"row_length": 64}}
    long = session.bind(recipe.parse(table, where="test"), ShardSet.open(str(many_shards)))
    plain, network = (new_network(long.shards, **model).eval() for _ in range(2))
    if isolation == "pieces":
        attention.isolate(network)
    batch = long.stream.step(0, rank=0, world_size=1)[0]
    packed = interop.tensors(batch, isolation=isolation, local_attention=window(network))
    labels = packed.pop("labels")
    with torch.inference_mode():
        together = network(**packed).logits
        start, before, longest = 0, -1, 0
        for row, end in zip(batch.piece_rows.tolist(), batch.piece_ends.tolist(), strict=True):
            start = start if row == before else 0
            alone = plain(input_ids=packed["input_ids"][row : row + 1, start:end]).logits
            assert torch.allclose(alone[0], together[row, start:end], atol=1e-4)
            longest = max(longest, end - start)
            start, before = end, row
        assert torch.isfinite(together[labels != interop.IGNORED]).all()
    # Rows of several documents, one of them longer than the window.
    assert np.unique(batch.piece_rows, return_counts=True)[1].max() > 1
    assert longest > 32


def test_a_model_that_knows_no_pieces_refuses_them_and_the_reverse(bound, network) -> None:
    batch = bound.stream.step(0, rank=0, world_size=1)[0]
    for name in ("sdpa", "eager"):
        other = new_network(bound.shards)
        other.set_attn_implementation(name)
        with pytest.raises(RuntimeError, match=r"attn_mask dtype|size of tensor"):
            other(**interop.tensors(batch))
    for isolation in ("none", "mask"):
        with pytest.raises(ValueError, match='made with isolation="pieces"'):
            network(**interop.tensors(batch, isolation=isolation))


def test_a_roberta_reads_the_positions_that_it_gives_a_document_alone(bound) -> None:
    config = RobertaConfig(
        vocab_size=bound.shards.vocabulary,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=40,
        pad_token_id=bound.shards.pad_id,
    )
    network = AutoModelForMaskedLM.from_config(config).eval()
    attention.isolate(network)
    batch = bound.stream.step(0, rank=0, world_size=1)[0]
    packed = interop.tensors(batch, first_position=bound.shards.pad_id + 1)
    end = int(batch.piece_ends[0])
    text = packed["input_ids"][:1, :end]
    with torch.inference_mode():
        together = network(**packed).logits[0, :end]
        network.set_attn_implementation("sdpa")
        assert torch.allclose(network(input_ids=text).logits[0], together, atol=1e-5)


def test_the_loss_of_an_isolated_model_is_that_of_our_training(bound, network) -> None:
    module = MaskedModel(new_network(bound.shards)).eval()
    for batch in bound.stream.step(0, rank=0, world_size=1):
        with torch.inference_mode():
            nats = module(**engine.inputs(batch, device="cpu"))
            loss = network.eval()(**interop.tensors(batch)).loss
        assert float(loss) == pytest.approx(float(nats.mean()), rel=1e-5)


def test_a_saved_model_says_nothing_of_pieces(bound, network, tmp_path) -> None:
    network.save_pretrained(tmp_path)
    assert attention.NAME not in (tmp_path / "config.json").read_text()
    batch = bound.stream.step(0, rank=0, world_size=1)[0]
    AutoModelForMaskedLM.from_pretrained(tmp_path)(**interop.tensors(batch, isolation="none"))


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
        rows = TorchStream(bound.stream, first_step=first_step)
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
        held_out = HeldOut(bound)
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
            )
            return DataLoader(rows, batch_size=None)

        def val_dataloader(self):
            return DataLoader(HeldOut(bound), batch_size=None)

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
