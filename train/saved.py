"""Which checkpoints a run has, whether they are whole, and whether they are this run's.

Nothing here needs torch, so that a finished run is recognised at once.
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

COMPLETE = "COMPLETE.json"
"""Written last into a checkpoint: the sha256 of every other file by name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """What a checkpoint knows besides tensors."""

    step: int
    """Optimizer steps done, which is also the next step's number."""
    next_row: int
    """The first global row that was not seen yet."""
    chain: str
    """Hexadecimal digest of all rows and masks so far, in the order of steps."""
    recipe: dict[str, Any]
    """Identity of the recipe; see `Recipe.identity`."""
    shards_id: str
    shards_digest: str
    """sha256 of the shard set's manifest."""
    tokenizer_digest: str
    stream_version: int
    """`train.stream.VERSION`."""


def finished(run: Path) -> list[Path]:
    """Return the folders of a run's finished checkpoints, oldest first."""
    folders = (run / "checkpoints").glob("step-*")
    return sorted(path for path in folders if (path / COMPLETE).is_file())


def digest(path: Path) -> str:
    """Return a file's sha256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def latest(run: Path) -> Path | None:
    """Return the newest checkpoint that verifies, or None when the run has none.

    A checkpoint that was not finished is not looked at; a damaged one is passed over with a
    warning in favour of the one before.
    """
    for path in reversed(finished(run)):
        faults = verify(path)
        if not faults:
            return path
        log.warning("passing over a damaged checkpoint: %s", "; ".join(faults))
    return None


def verify(path: Path) -> list[str]:
    """Return what is wrong with a checkpoint: missing or changed files, in words."""
    try:
        digests = json.loads((path / COMPLETE).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        return [f"{path / COMPLETE}: cannot be read: {error}"]
    faults = []
    for name, wanted in digests.items():
        file = path / name
        if not file.is_file():
            faults.append(f"{file}: missing")
        elif digest(file) != wanted:
            faults.append(f"{file}: its sha256 is not the one recorded")
    return faults


def read_state(path: Path) -> State:
    """Read a checkpoint's state.

    Raises:
        ValueError: as `state_of`.
    """
    file = path / "state.json"
    return state_of(json.loads(file.read_text(encoding="utf-8")), where=file)


def state_of(table: Mapping[str, Any], *, where: Path) -> State:
    """Return the state that a file holds.

    Raises:
        ValueError: it has other entries, since another program wrote it.
    """
    if apart := sorted({field.name for field in fields(State)} ^ table.keys()):
        raise ValueError(
            f"{where}: written by another version of this program (the two differ in "
            f"{', '.join(apart)}); finish the run with that one, or give another folder as RUN"
        )
    return State(**table)


def check(state: State, *, wanted: State, run: Path, draws: bool = True) -> None:
    """Refuse to continue a run with another recipe, other shards or another tokenizer.

    Args:
        state: of the run.
        wanted: what it must be like.
        run: its folder, for messages.
        draws: whether rows and masks are drawn again; what only reads the weights needs none.

    Raises:
        ValueError: what differs, and the cure.
    """
    cure = f"give another folder as RUN, or restore what {run} was begun with"
    if state.tokenizer_digest != wanted.tokenizer_digest:
        raise ValueError(f"{run}: begun with another tokenizer than these shards have; {cure}")
    if state.shards_digest != wanted.shards_digest:
        raise ValueError(
            f"{run}: begun with shard set {state.shards_id}, but this is {wanted.shards_id}; go on "
            f"with --data DATA/shards/{state.shards_id}, or give another folder as RUN"
        )
    if draws and state.stream_version != wanted.stream_version:
        raise ValueError(
            f"{run}: begun with version {state.stream_version} of the rows and masks that a seed "
            f"gives, this program has {wanted.stream_version}; finish it with the program it was "
            "begun with, or give another folder as RUN"
        )
    changed = sorted(_differences(state.recipe, wanted.recipe))
    if changed:
        raise ValueError(f"{run}: begun with another recipe: {'; '.join(changed)}; {cure}")


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], *, where: str = "") -> list[str]:
    found = []
    for key in sorted({*old, *new}):
        name = f"{where}{key}"
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            found += _differences(before, after, where=f"{name}.")
        elif before != after:
            found.append(f"{name} was {before!r} and is {after!r}")
    return found
