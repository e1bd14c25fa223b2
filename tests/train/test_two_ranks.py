"""Two processes that train together, in the loops that the stream is for: every row once a step."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from corpus.shards import ShardSet
from train import recipe, session

TABLE = {
    "data": {"row_length": 32},
    "model": {"preset": "nano"},
    "schedule": {
        "tokens": 3 * 8 * 32,
        "rows_per_step": 8,
        "micro_batch": 2,
        "peak_learning_rate": 1e-3,
    },
}

# One of the two: read all batches, in the ways of `accelerator_config`, and write down the rows.
_RANK = """
import json, sys
from accelerate import Accelerator, DataLoaderConfiguration
from torch.utils.data import DataLoader
from corpus.shards import ShardSet
from train import recipe, session
from train.interop import TorchStream, only

folder, table, out = sys.argv[1:]
stream = session.bind(recipe.parse(json.loads(table), where="test"), ShardSet.open(folder)).stream
found = []
for way in ({}, {"split_batches": True}, {"dispatch_batches": False}):
    accelerator = Accelerator(cpu=True, dataloader_config=DataLoaderConfiguration(**way))
    for num_workers in (0, 2):
        whole = TorchStream(stream, rank=0, world_size=1)
        rows = DataLoader(whole, batch_size=1, collate_fn=only, num_workers=num_workers)
        dealt = accelerator.prepare_data_loader(rows)
        found.append([batch["input_ids"].tolist() for batch in dealt])
with open(out, "w") as file:
    json.dump(found, file)
"""


# The same in whole loops, which write down what their model is given.
_LOOP = """
import json, os, sys, warnings
import torch
from torch.utils.data import DataLoader
from transformers import AutoModelForMaskedLM, BertConfig, Trainer, TrainingArguments
from corpus.shards import ShardSet
from train import attention, recipe, session
from train.interop import TorchStream, only

folder, table, out, way = sys.argv[1:]
bound = session.bind(recipe.parse(json.loads(table), where="test"), ShardSet.open(folder))
stream, found = bound.stream, []
torch.manual_seed(0)
config = BertConfig(
    vocab_size=bound.shards.vocabulary, hidden_size=8, intermediate_size=8, num_hidden_layers=1,
    num_attention_heads=1, max_position_embeddings=32,
)
model = AutoModelForMaskedLM.from_config(config)
attention.isolate(model)

def note(model, arguments, inputs):
    found.append(inputs["input_ids"].tolist())

model.register_forward_pre_hook(note, with_kwargs=True)
if way == "plain":
    torch.distributed.init_process_group("gloo")
    rank, world_size = torch.distributed.get_rank(), torch.distributed.get_world_size()
    model = torch.nn.parallel.DistributedDataParallel(model)
    rows = TorchStream(stream, rank=rank, world_size=world_size)
    for batch in DataLoader(rows, batch_size=None):
        model(**batch).loss.backward()
elif way == "trainer":
    args = TrainingArguments(
        out + ".run", max_steps=stream.num_steps, per_device_train_batch_size=1,
        gradient_accumulation_steps=2, use_cpu=True, report_to="none", save_strategy="no",
        logging_strategy="no", disable_tqdm=True, ddp_find_unused_parameters=False,
    )
    rows = TorchStream(stream, rank=0, world_size=1)
    Trainer(model=model, args=args, train_dataset=rows, data_collator=only).train()
else:
    import pytorch_lightning as lightning

    class Shards(lightning.LightningDataModule):
        def train_dataloader(self):
            mine = {"rank": self.trainer.global_rank, "world_size": self.trainer.world_size}
            return DataLoader(TorchStream(stream, **mine), batch_size=None)

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.network = model

        def training_step(self, batch, _):
            return self.network(**batch).loss

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    lightning.Trainer(
        max_steps=stream.num_steps, accumulate_grad_batches=2, accelerator="cpu", devices=2,
        strategy="ddp", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False,
    ).fit(Module(), datamodule=Shards())
with open(out, "w") as file:
    json.dump(found, file)
if torch.distributed.is_initialized():
    torch.distributed.destroy_process_group()
"""


def in_two_ranks(script: str, folder: Path, out: Path, *more: str) -> list[list]:
    """Run a script on a shard set in two processes; return what each wrote down."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    known = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    ranks = []
    for rank in ("0", "1"):
        arguments = [sys.executable, "-c", script, folder, json.dumps(TABLE), out / rank, *more]
        mine = {**os.environ, **known, "RANK": rank, "LOCAL_RANK": rank}
        ranks.append(subprocess.Popen(arguments, env=mine, stderr=subprocess.PIPE, text=True))
    said = [rank.communicate()[1] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], said
    return [json.loads((out / rank).read_text()) for rank in ("0", "1")]


def check(folder: Path, dealt: Sequence[list[list[list[int]]]]) -> None:
    """Check that the ranks' batches of each step are its rows, each once."""
    made = session.bind(recipe.parse(TABLE, where="test"), ShardSet.open(str(folder)))
    assert sum(len(batch) for rank in dealt for batch in rank) == 3 * 8
    for step in range(3):
        found: list[list[int]] = []
        for rank in dealt:
            num = len(rank) // 3
            found += [row for batch in rank[step * num : (step + 1) * num] for row in batch]
        (batch,) = made.stream.step(step, rank=0, world_size=1, micro_batch=8)
        assert sorted(found) == sorted(batch.shown_ids.tolist()), step


@pytest.mark.slow
def test_two_ranks_get_each_row_of_a_step_once_however_accelerate_deals(shards_folder, tmp_path):
    pytest.importorskip("accelerate", reason="extra dev is not installed")
    for dealt in zip(*in_two_ranks(_RANK, shards_folder, tmp_path), strict=True):
        check(shards_folder, dealt)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["plain", "trainer", "lightning"])
def test_two_ranks_of_a_loop_train_on_each_row_of_a_step_once(way, shards_folder, tmp_path):
    pytest.importorskip("accelerate", reason="extra dev is not installed")
    pytest.importorskip("pytorch_lightning", reason="extra dev is not installed")
    check(shards_folder, in_two_ranks(_LOOP, shards_folder, tmp_path, way))
