"""Checkpoints that are complete or absent, and that any number of ranks can continue.

A checkpoint holds the fp32 master weights and Adam's two moments of every parameter by its
Hugging Face name, and one integer: the step. It says nothing of ranks or ZeRO stages. On the same
number of ranks a continued run is bit-equal to an unbroken one; on another number it sees the same
rows and masks.

    RUN/checkpoints/step-00000120/   weights.safetensors  moments.safetensors  state.json
                                     COMPLETE.json        written last: sizes and sha256
    RUN/checkpoints/latest           the newest folder's name
"""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
import torch.distributed
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from corpus import storage
from train import saved

if TYPE_CHECKING:
    from deepspeed import DeepSpeedEngine

    from train.model import MaskedModel

MOMENTS = ("exp_avg", "exp_avg_sq")
_PREFIX = "network."


@dataclass(frozen=True, kw_only=True, slots=True)
class Tensors:
    """Weights and moments by Hugging Face parameter name, fp32, on the CPU."""

    weights: dict[str, torch.Tensor]
    moments: dict[str, dict[str, torch.Tensor]]


def gather(engine: "DeepSpeedEngine") -> Tensors:
    """Collect the whole training state on every rank; all ranks must call this."""
    from deepspeed.utils import safe_get_full_fp32_param, safe_get_full_optimizer_state

    optimizer: Any = engine.basic_optimizer
    weights: dict[str, torch.Tensor] = {}
    moments: dict[str, dict[str, torch.Tensor]] = {moment: {} for moment in MOMENTS}
    for full_name, parameter in cast(torch.nn.Module, engine.module).named_parameters():
        name = full_name.removeprefix(_PREFIX)
        if _whole(engine):
            found = parameter.detach()
            states = optimizer.state[parameter]
            kept = {moment: states[moment] for moment in MOMENTS}
        else:
            found = safe_get_full_fp32_param(parameter)
            kept = {m: safe_get_full_optimizer_state(parameter, m) for m in MOMENTS}
        assert found is not None
        weights[name] = _own(found)
        for moment, value in kept.items():
            assert value is not None
            moments[moment][name] = _own(value)
    return Tensors(weights=weights, moments=moments)


def _own(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().float().cpu().clone().contiguous()


def _whole(engine: "DeepSpeedEngine") -> bool:
    """Tell whether every rank holds all of the optimizer (stage 0, which is fp32 only here)."""
    return engine.zero_optimization_stage() == 0


def put_weights(model: "MaskedModel", weights: Mapping[str, torch.Tensor]) -> None:
    """Load a checkpoint's weights into the model, before the engine takes it."""
    parameters = dict(model.network.named_parameters())
    assert parameters.keys() == weights.keys()
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(weights[name])


def put_state(engine: "DeepSpeedEngine", tensors: Tensors) -> None:
    """Load a checkpoint's master weights and moments into an engine; all ranks must call this."""
    from deepspeed.utils import safe_set_full_fp32_param, safe_set_full_optimizer_state

    optimizer: Any = engine.basic_optimizer
    for full_name, parameter in cast(torch.nn.Module, engine.module).named_parameters():
        name = full_name.removeprefix(_PREFIX)
        for moment in MOMENTS:
            value = tensors.moments[moment][name].to(engine.device)
            if _whole(engine):
                optimizer.state[parameter][moment].copy_(value)
            else:
                safe_set_full_optimizer_state(parameter, value, moment)
        if not _whole(engine):
            safe_set_full_fp32_param(parameter, tensors.weights[name].to(engine.device))


def write(run: Path, state: saved.State, tensors: Tensors, *, keep: int) -> Path:
    """Write one checkpoint and make it the latest; one rank calls this.

    Returns:
        the folder.
    """
    folder = run / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    name = f"step-{state.step:08d}"
    attempt = folder / f".tmp-{name}"
    if attempt.exists():
        shutil.rmtree(attempt)
    attempt.mkdir()
    flat = {
        f"{m}/{key}": value for m, part in tensors.moments.items() for key, value in part.items()
    }
    try:
        save_file(tensors.weights, attempt / "weights.safetensors", metadata={"format": "pt"})
        save_file(flat, attempt / "moments.safetensors")
    except SafetensorError as error:
        shutil.rmtree(attempt)
        raise ValueError(
            f"{attempt}: the checkpoint cannot be written: {error}; make room and run the same "
            "command again: it continues from the checkpoint before"
        ) from error
    _write_json(attempt / "state.json", asdict(state))
    digests = {path.name: saved.digest(path) for path in sorted(attempt.iterdir())}
    _write_json(attempt / saved.COMPLETE, digests)
    for path in [*attempt.iterdir(), attempt]:
        _sync(path)
    target = folder / name
    if target.exists():
        # Left by a run that stopped between this rename and the pointer; it is replaced.
        shutil.rmtree(target)
    attempt.rename(target)
    _sync(folder)
    storage.write_bytes(str(folder / "latest"), name.encode())
    # A later checkpoint than this one was damaged, or the run would have gone on from it.
    for later in saved.finished(run):
        if later.name > target.name:
            shutil.rmtree(later)
    for old in saved.finished(run)[:-keep]:
        shutil.rmtree(old)
    return target


def _write_json(path: Path, table: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(table, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read a checkpoint's weights by Hugging Face name.

    Raises:
        ValueError: the file is damaged.
    """
    return _read_file(path / "weights.safetensors")


def read(path: Path) -> Tensors:
    """Read a checkpoint's weights and moments.

    Raises:
        ValueError: a file is damaged.
    """
    flat = _read_file(path / "moments.safetensors")
    moments = {
        moment: {
            key.removeprefix(f"{moment}/"): value
            for key, value in flat.items()
            if key.startswith(f"{moment}/")
        }
        for moment in MOMENTS
    }
    return Tensors(weights=read_weights(path), moments=moments)


def _read_file(path: Path) -> dict[str, torch.Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ValueError(
            f"{path}: cannot be read ({error}); remove {path.parent} to continue from the "
            "checkpoint before it"
        ) from error
