"""What tests of the stream in other loops share: a recipe, and the batches that it must give."""

import torch

from train import interop

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


def wanted(bound) -> list[interop.Inputs]:
    """Return what the training loop of `fit` sees, made without threads or loaders."""
    return [
        interop.tensors(batch)
        for step in range(bound.num_steps)
        for batch in bound.stream.step(step, rank=0, world_size=1)
    ]


def equal(one: interop.Inputs, other: interop.Inputs) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)
