"""Finished or running runs: what they are, and their model as of the latest checkpoint."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpus.shards import ShardSet
from train import saved, session
from train.recipe import from_json

if TYPE_CHECKING:
    from train.model import MaskedModel


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A run with at least one checkpoint."""

    folder: Path
    facts: dict[str, Any]
    """RUN/run.json."""
    session: session.Session
    checkpoint: Path
    state: saved.State


def read(folder: Path, *, data: str | None) -> Run:
    """Open a run and the shards it was trained on.

    Args:
        folder: the run.
        data: the DATA folder or the shard set, if it is no longer where it was.

    Raises:
        ValueError: no run or no checkpoint is there, or the shards are others.
    """
    facts = read_facts(folder)
    path = saved.latest(folder)
    if path is None:
        raise ValueError(f"{folder}: no finished checkpoint yet; run `python -m train fit` first")
    opened = begun(folder, data=data, draws=False)
    state = saved.read_state(path)
    saved.check(state, wanted=opened.state(step=0, chain=""), run=folder, draws=False)
    return Run(folder=folder, facts=facts, session=opened, checkpoint=path, state=state)


def begun(folder: Path, *, data: str | None, draws: bool = True) -> session.Session:
    """Open what a run reads, whether it has a checkpoint or not.

    Args:
        folder: the run.
        data: the DATA folder or the shard set, if it is no longer where it was.
        draws: whether its rows and masks are drawn again, which another version may not do.

    Raises:
        ValueError: no run is there, or the shards are others.
    """
    facts = read_facts(folder)
    recipe = from_json(facts["recipe"], where=str(folder / "run.json"))
    opened = session.bind(recipe, ShardSet.open(data or facts["shards"], corpus=recipe.data.corpus))
    begun_as = saved.state_of(facts["identity"], where=folder / "run.json")
    saved.check(begun_as, wanted=opened.state(step=0, chain=""), run=folder, draws=draws)
    return opened


def read_facts(folder: Path) -> dict[str, Any]:
    """Return RUN/run.json.

    Raises:
        ValueError: there is none.
    """
    try:
        return json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ValueError(
            f"{folder}: no run here; run `python -m train fit --run {folder}` first"
        ) from error


def steps_done(folder: Path, opened: session.Session) -> int:
    """Return how far the run in a folder is, 0 when there is none.

    Raises:
        ValueError: the folder belongs to another recipe, other shards or another tokenizer.
    """
    path = checked(folder, opened)
    return 0 if path is None else saved.read_state(path).step


def checked(folder: Path, opened: session.Session) -> Path | None:
    """Return the checkpoint to continue from, after making sure that it is this run's.

    Raises:
        ValueError: as `steps_done`.
    """
    wanted = opened.state(step=0, chain="")
    if (folder / "run.json").is_file():
        begun = saved.state_of(read_facts(folder)["identity"], where=folder / "run.json")
        saved.check(begun, wanted=wanted, run=folder)
    path = saved.latest(folder)
    if path is not None:
        saved.check(saved.read_state(path), wanted=wanted, run=folder)
    return path


def origin(run: Run) -> dict[str, Any]:
    """Return what an exported model of this run says of where it is from."""
    return {
        "step": run.state.step,
        "chain": run.state.chain,
        "shards_id": run.state.shards_id,
        "shards_digest": run.state.shards_digest,
        "tokenizer_digest": run.state.tokenizer_digest,
        "recipe": run.state.recipe,
    }


def is_exported(run: Run) -> bool:
    """Tell whether RUN/model is of the latest checkpoint."""
    path = run.folder / "model" / "gristmill.json"
    return path.is_file() and json.loads(path.read_text(encoding="utf-8")) == origin(run)


def load(run: Run) -> "MaskedModel":
    """Return the model of the run's latest checkpoint, in fp32 on the CPU."""
    from transformers import AutoConfig

    from train import checkpoint
    from train.model import MaskedModel, new_network

    configuration = AutoConfig.for_model(**run.facts["configuration"])
    model = MaskedModel(new_network(run.session.recipe, configuration))
    checkpoint.put_weights(model, checkpoint.read_weights(run.checkpoint))
    return model
