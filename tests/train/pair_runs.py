"""Small runs on rows of two segments."""

from pathlib import Path

from corpus.shards import ShardSet
from train import recipe, session


def table(task: str, *, num_steps: int = 12, micro_batch: int = 3, **more) -> dict:
    return {
        "seed": 3,
        "data": {"row_length": 32},
        "model": {"preset": "nano", "family": "bert"},
        "pair": {"task": task},
        "schedule": {
            "tokens": num_steps * 24 * 32,
            "rows_per_step": 24,
            "micro_batch": micro_batch,
            "peak_learning_rate": 3e-3,
        },
        **more,
    }


def bind(folder: Path, made: dict) -> session.Session:
    return session.bind(recipe.parse(made, where="test"), ShardSet.open(str(folder)))
