"""The training loop: steps, log, checkpoints, and a clean stop on SIGTERM or Ctrl-C.

RUN/run.json         what is trained on what: the recipe, the shard set, the model's size
RUN/log.jsonl        one line per `log.every_steps` steps
RUN/checkpoints/     see train.checkpoint
RUN/tensorboard/     if the recipe asks for it
"""

import hashlib
import json
import logging
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from corpus import lock, storage
from corpus import recipe as corpus_recipe
from corpus.progress import Progress
from train import checkpoint, engine, model, runs, saved
from train.prefetch import Ring, prefetch
from train.session import words_note

if TYPE_CHECKING:
    from deepspeed import DeepSpeedEngine

    from train.session import Session

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fitted:
    """How a call of `fit` ended."""

    step: int
    num_steps: int
    was_finished: bool
    """Nothing had to be done."""
    stopped_by: int | None
    """The signal that ended it early, if one did."""
    loss: float | None
    """Mean training loss over the last logged window."""


def fit(session: "Session", run: Path) -> Fitted:
    """Train until the recipe's end, continuing from the run's latest checkpoint if there is one.

    Args:
        session: the recipe and its shards.
        run: the folder of the run.

    Raises:
        ValueError: the folder belongs to another recipe or other shards, a shard is damaged,
            another process is training in it, or the loss is not finite.
    """
    path = runs.checked(run, session)
    state = None if path is None else saved.read_state(path)
    if state is not None and state.step >= session.num_steps:
        return Fitted(
            step=state.step,
            num_steps=session.num_steps,
            was_finished=True,
            stopped_by=None,
            loss=None,
        )
    session.check_batches(world_size=engine.world_size())
    if path is not None:
        log.info("continuing from %s", path)
    if engine.is_first_on_node():
        # The others wait for it in `join`, for as long as torch.distributed lets them.
        with lock.using(session.shards.url):
            session.prove()
    ranks = engine.join()
    if ranks.rank == 0 and (note := words_note(session)):
        log.warning("%s", note)
    held = lock.locked(str(run), command="python -m train fit") if ranks.rank == 0 else None
    with held or nullcontext(), lock.using(session.shards.url):
        module = model.build(session.recipe, session.shards, unigram=session.unigram())
        if ranks.rank == 0:
            _write_run(run, session, module)
        tensors = None if path is None else checkpoint.read(path)
        if tensors is not None:
            checkpoint.put_weights(module, tensors.weights)
        deepspeed_engine = engine.start(
            module, session.recipe, ranks, num_steps_done=0 if state is None else state.step
        )
        if tensors is not None:
            checkpoint.put_state(deepspeed_engine, tensors)
        del tensors
        return _loop(session, run, deepspeed_engine, ranks, state=state)


def _write_run(run: Path, session: "Session", module: model.MaskedModel) -> None:
    network = module.network
    facts = {
        # As JSON gives it back, so that a later comparison sees equal values.
        "identity": corpus_recipe.to_table(session.state(step=0, chain="")),
        "recipe": corpus_recipe.to_table(session.recipe),
        "shards": session.shards.url,
        "num_parameters": sum(p.numel() for p in network.parameters()),
        "num_steps": session.num_steps,
        "tokens": session.tokens(session.num_steps),
        "epochs": session.stream.epochs(session.stream.timeline.first_row(session.num_steps)),
        "configuration": network.config.to_diff_dict(),
    }
    storage.write_bytes(
        str(run / "run.json"), (json.dumps(facts, indent=1, sort_keys=True) + "\n").encode()
    )


def _loop(
    session: "Session",
    run: Path,
    deepspeed_engine: "DeepSpeedEngine",
    ranks: engine.Ranks,
    *,
    state: saved.State | None,
) -> Fitted:
    num_steps, pair = session.num_steps, session.recipe.pair
    first = 0 if state is None else state.step
    chain = "" if state is None else state.chain
    lines = _Log(run, session, first_step=first) if ranks.rank == 0 else None
    done, stopped_by, loss = first, None, None
    progress = Progress("train", total=session.tokens(num_steps), unit="tokens")
    with _signals() as received, progress:
        for number, batches in prefetch(
            session.stream,
            first_step=first,
            rank=ranks.rank,
            world_size=ranks.world_size,
            ring=Ring(is_pinned=ranks.device.type == "cuda"),
        ):
            rate = session.learning_rate(number)
            result = engine.step(
                deepspeed_engine,
                batches,
                ranks,
                learning_rate=rate,
                pair_weight=0.0 if pair is None else pair.weight,
                stop=received.number or 0,
            )
            done = number + 1
            chain = _extend(chain, result.checksum)
            if lines is not None:
                loss = lines.add(number, result, learning_rate=rate, chain=chain)
                progress.update(session.tokens(done), note=f"loss {loss:.3f}" if loss else "")
            stopped_by = result.stop or None
            if done == num_steps or stopped_by or _is_due(session, done):
                _save(session, run, deepspeed_engine, ranks, step=done, chain=chain)
            if stopped_by:
                break
    if lines is not None:
        lines.close()
    return Fitted(
        step=done, num_steps=num_steps, was_finished=False, stopped_by=stopped_by, loss=loss
    )


def _is_due(session: "Session", done: int) -> bool:
    """Tell whether a checkpoint comes after so many steps: the last nearest to its tokens."""
    every = session.recipe.checkpoint.every_tokens
    size = session.stream.timeline.of_step(done - 1).tokens_per_step
    half = size // 2

    def passed(step: int) -> int:
        return (session.tokens(step) + half) // max(every, size)

    return passed(done) > passed(done - 1)


def _save(
    session: "Session",
    run: Path,
    deepspeed_engine: "DeepSpeedEngine",
    ranks: engine.Ranks,
    *,
    step: int,
    chain: str,
) -> None:
    tensors = checkpoint.gather(deepspeed_engine)
    if ranks.rank == 0:
        state = session.state(step=step, chain=chain)
        checkpoint.write(run, state, tensors, keep=session.recipe.checkpoint.keep)
    torch.distributed.barrier()


def _extend(chain: str, checksum: int) -> str:
    """Append a step's rows and masks to the digest of all steps before it."""
    return hashlib.sha256(f"{chain}{checksum:016x}".encode()).hexdigest()[:32]


@dataclass(slots=True)
class _Received:
    number: int | None = None


@contextmanager
def _signals() -> Iterator[_Received]:
    """Note the first SIGTERM or SIGINT instead of dying of it; the second one kills as usual."""
    received = _Received()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def note(number: int, _: object) -> None:
        received.number = number
        for each, handler in before.items():
            signal.signal(each, handler)

    for number in before:
        signal.signal(number, note)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Log:
    """RUN/log.jsonl and, if asked for, TensorBoard."""

    def __init__(self, run: Path, session: "Session", *, first_step: int) -> None:
        self._session = session
        path = run / "log.jsonl"
        kept = _lines_before(path, first_step)
        storage.write_bytes(str(path), "".join(kept).encode())
        self._file = path.open("a", encoding="utf-8")
        self._board = _board(run, first_step) if session.recipe.log.tensorboard else None
        self._begin, self._nats, self._targets, self._steps = time.monotonic(), 0.0, 0, 0
        self._pair_nats, self._pairs = 0.0, 0
        self._loss: float | None = None

    def add(
        self, number: int, result: engine.StepResult, *, learning_rate: float, chain: str
    ) -> float | None:
        """Count a step; return the loss of the last full window."""
        self._nats += result.loss_sum
        self._targets += result.num_targets
        self._pair_nats += result.pair_loss_sum
        self._pairs += result.num_pairs
        self._steps += 1
        done, session = number + 1, self._session
        if done % session.recipe.log.every_steps and done < session.num_steps:
            return self._loss
        now = time.monotonic()
        self._loss = self._nats / self._targets
        line: dict[str, Any] = {
            "step": done,
            "tokens": session.tokens(done),
            "loss": self._loss,
            "learning_rate": learning_rate,
            "mask_rate": session.stream.mask_rate(number),
            "chain": chain,
            "tokens_per_second": round(
                (session.tokens(done) - session.tokens(done - self._steps))
                / max(now - self._begin, 1e-9),
                1,
            ),
        }
        if self._pairs:
            line["pair_loss"] = self._pair_nats / self._pairs
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        if self._board is not None:
            for name in [name for name in line if name not in ("step", "tokens", "chain")]:
                self._board.add_scalar(name, line[name], done)
        self._begin, self._nats, self._targets, self._steps = now, 0.0, 0, 0
        self._pair_nats, self._pairs = 0.0, 0
        return self._loss

    def close(self) -> None:
        self._file.close()
        if self._board is not None:
            self._board.close()


def _lines_before(path: Path, first_step: int) -> list[str]:
    """Return the log's lines up to a step: those after it are of steps that are done again."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    # A killed run may leave half a line.
    whole = [line for line in lines if line.endswith("\n")]
    return [line for line in whole if json.loads(line)["step"] <= first_step]


def _board(run: Path, first_step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ValueError(
            "[log] tensorboard = true needs the package: run `pip install tensorboard`, "
            "or set it to false"
        ) from error
    return SummaryWriter(str(run / "tensorboard"), purge_step=first_step + 1)
