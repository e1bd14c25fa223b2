"""What a review found: uneven sources, damaged later checkpoints."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from train import checkpoint, saved
from train.mixture import PERIOD
from train.stream import weights_or_sizes


def rows(num: int) -> SimpleNamespace:
    return SimpleNamespace(num_rows=num)


def test_the_order_of_the_shares_decides_nothing():
    parts = {"b": rows(5), "a": rows(5)}
    one = weights_or_sizes({"a": 0.7, "b": 0.3}, parts)
    other = weights_or_sizes({"b": 0.3, "a": 0.7}, parts)
    assert one.sources == other.sources == ("a", "b")
    assert np.array_equal(one.source_of, other.source_of)


def test_a_tiny_source_has_a_place_beside_a_giant_one():
    mixed = weights_or_sizes(None, {"wiki": rows(20_000_000), "mine": rows(100)})
    assert mixed.quotas.sum() == PERIOD
    assert mixed.quotas.min() >= 1


def state(step: int) -> saved.State:
    fields = dict.fromkeys(saved.State.__dataclass_fields__, "")
    return saved.State(**{**fields, "step": step, "next_row": step})


def test_a_checkpoint_behind_a_damaged_one_is_kept_and_the_damaged_one_goes(tmp_path: Path):
    moments = {moment: {"w": torch.zeros(3)} for moment in checkpoint.MOMENTS}
    tensors = checkpoint.Tensors(weights={"w": torch.zeros(3)}, moments=moments)
    for step in (100, 200):
        checkpoint.write(tmp_path, state(step), tensors, keep=2)
    (tmp_path / "checkpoints" / "step-00000200" / "weights.safetensors").write_bytes(b"torn")
    assert saved.latest(tmp_path) == tmp_path / "checkpoints" / "step-00000100"
    made = checkpoint.write(tmp_path, state(150), tensors, keep=1)
    assert saved.finished(tmp_path) == [made]
    assert saved.latest(tmp_path) == made
