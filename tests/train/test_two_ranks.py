"""Two processes whose batches accelerate deals out, as it does for Hugging Face's Trainer."""

import json
import os
import socket
import subprocess
import sys

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


@pytest.mark.slow
def test_two_ranks_get_each_row_of_a_step_once_however_accelerate_deals(shards_folder, tmp_path):
    pytest.importorskip("accelerate", reason="extra dev is not installed")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    known = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    ranks = []
    for rank in ("0", "1"):
        arguments = [sys.executable, "-c", _RANK, shards_folder, json.dumps(TABLE), tmp_path / rank]
        mine = {**os.environ, **known, "RANK": rank, "LOCAL_RANK": rank}
        ranks.append(subprocess.Popen(arguments, env=mine, stderr=subprocess.PIPE, text=True))
    said = [rank.communicate()[1] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], said
    seen = [json.loads((tmp_path / rank).read_text()) for rank in ("0", "1")]
    made = session.bind(recipe.parse(TABLE, where="test"), ShardSet.open(str(shards_folder)))
    for way, dealt in enumerate(zip(*seen, strict=True)):
        assert sum(len(batch) for rank in dealt for batch in rank) == 3 * 8, way
        for step in range(3):
            found: list[list[int]] = []
            for rank in dealt:
                num = len(rank) // 3
                found += [row for batch in rank[step * num : (step + 1) * num] for row in batch]
            (batch,) = made.stream.step(step, rank=0, world_size=1, micro_batch=8)
            assert sorted(found) == sorted(batch.shown_ids.tolist()), (way, step)
