"""`python -m train`: plan, fit, evaluate, export, fill, trace, verify."""

from corpus import interrupt

if __name__ == "__main__":
    # From here on, imports of torch included; `fit` notes the signal instead while it trains.
    interrupt.end_at_once()

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from corpus import storage

if TYPE_CHECKING:
    from train.session import Session

# What a command needs is imported inside it: torch and DeepSpeed take seconds, `--help` must not.


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 on success, 2 when the user can mend it, 128 + signal after a clean stop.
    """
    parsed = _parser().parse_args(arguments)
    # Threads that spin while they wait lose most of their speed as soon as another process wants a
    # core (measured on two busy cores: 1.3-2.3 k tokens/s spinning, 2.9-6.3 k not). OpenMP reads
    # this when torch is first imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    logging.getLogger("train").setLevel(logging.INFO)
    try:
        return parsed.command(parsed, list(arguments or sys.argv[1:]))
    except (ValueError, OSError, *storage.client_errors()) as error:
        rank = os.environ.get("RANK", "0")
        print("error: " + (f"rank {rank}: " if rank != "0" else "") + str(error), file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m train", description="Train a masked language model from shards."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: object, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(command=command)
        return sub

    def recipe_and_data(sub: argparse.ArgumentParser) -> None:
        sub.add_argument(
            "--model",
            required=True,
            metavar="RECIPE",
            help="path of a model recipe (.toml), or the name of a shipped one: "
            "demo, demo-small, base",
        )
        sub.add_argument(
            "--data", required=True, help="DATA folder or URL, or one shard set's folder"
        )
        sub.add_argument(
            "--nproc", type=int, default=1, metavar="N", help="ranks on this machine (default: 1)"
        )

    sub = add("plan", _plan, "Show steps, passes over the data and memory, without training.")
    recipe_and_data(sub)
    sub = add("fit", _fit, "Train, or continue where a run stopped.")
    recipe_and_data(sub)
    sub.add_argument("--run", required=True, help="folder of the run; continued if it exists")
    for name, command, text in (
        ("evaluate", _evaluate, "Measure held-out loss beside unigram and bigram figures."),
        ("export", _export, "Write a Hugging Face folder and prove that it is the model."),
        ("verify", _verify, "Check every checkpoint and every shard of a run by sha256."),
    ):
        sub = add(name, command, text)
        sub.add_argument("--run", required=True, help="folder of the run")
        sub.add_argument("--data", help="where the shards are now, if they moved")
    sub = add(
        "trace", _trace, "Tell which documents a row of a run, or a step of its log, is from."
    )
    of = sub.add_mutually_exclusive_group(required=True)
    of.add_argument("--run", help="folder of the run")
    of.add_argument("--model", metavar="RECIPE", help="or the recipe of a stream, with its --data")
    sub.add_argument("--data", help="where the shards are; of a run only if they moved")
    what = sub.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--row", type=int, help="global row index: `indices` of a batch of the stream"
    )
    what.add_argument("--step", type=int, help="a step as RUN/log.jsonl counts them: from 1 on")
    sub = add("fill", _fill, "Print what an exported model puts in place of [MASK].")
    sub.add_argument("--run", required=True, help="folder of the run")
    sub.add_argument("--top", type=int, default=5, help="guesses per text (default: 5)")
    sub.add_argument("texts", nargs="+", metavar="TEXT", help='such as "Paris is the [MASK] of."')
    return parser


def _session(parsed: argparse.Namespace) -> "Session":
    from corpus.shards import ShardSet
    from train import recipe, session

    read = recipe.read(parsed.model)
    return session.bind(read, ShardSet.open(parsed.data, corpus=read.data.corpus))


def _plan(parsed: argparse.Namespace, _: list[str]) -> int:
    from train import plan

    session = _session(parsed)
    found = plan.plan(session, world_size=parsed.nproc)
    print(plan.table(found, session, world_size=parsed.nproc))
    return 0


def _fit(parsed: argparse.Namespace, arguments: list[str]) -> int:
    from train import runs
    from train.session import run_folder

    if parsed.nproc < 1:
        raise ValueError(f"--nproc must be at least 1, got {parsed.nproc}")
    session = _session(parsed)
    run = run_folder(parsed.run)
    step = runs.steps_done(run, session)
    if step >= session.num_steps:
        print(f"up to date: {run} (step {step} of {session.num_steps})")
        return 0
    if parsed.nproc > 1:
        # Refused here, once, and not by every rank.
        session.check_batches(world_size=parsed.nproc)
        world_size = os.environ.get("WORLD_SIZE")
        if world_size is None:
            from train.launch import launch

            return launch(arguments, num_ranks=parsed.nproc)
        if world_size != str(parsed.nproc):
            raise ValueError(
                f"--nproc {parsed.nproc} was given to one of WORLD_SIZE={world_size} ranks; "
                "leave --nproc out under torchrun, or unset WORLD_SIZE"
            )
    from train.fit import fit

    done = fit(session, run)
    if os.environ["RANK"] == "0":
        if done.stopped_by:
            print(
                f"stopped after step {done.step} of {done.num_steps}; the checkpoint is in "
                f"{run / 'checkpoints'}; the same command continues"
            )
        else:
            print(
                f"trained {done.num_steps} steps: checkpoints in {run / 'checkpoints'}, "
                f"log in {run / 'log.jsonl'}"
            )
    return 128 + done.stopped_by if done.stopped_by else 0


def _evaluate(parsed: argparse.Namespace, _: list[str]) -> int:
    import json

    from corpus import lock
    from train import report, runs
    from train.session import run_folder

    folder = run_folder(parsed.run)
    run = runs.read(folder, data=parsed.data)
    path = folder / "evaluation.json"
    found = json.loads(path.read_text()) if path.is_file() else {}
    # One without figures by row length was written by an earlier version.
    if found.get("step") == run.state.step and "by_row_length" in found:
        print(f"up to date: {path}")
    else:
        import torch

        from train import evaluate

        shards = run.session.shards
        with (
            lock.locked(str(folder), command="python -m train evaluate"),
            lock.using(shards.url),
        ):
            run.session.prove(subset="held_out")
            device = "cuda" if torch.cuda.is_available() else "cpu"
            found = evaluate.evaluate(
                run.session, runs.load(run), step=run.state.step, device=device
            )
            evaluate.write(folder, found)
        print(f"wrote {path}")
    print(report.figures(found))
    return 0


def _export(parsed: argparse.Namespace, _: list[str]) -> int:
    from corpus import lock
    from train import runs
    from train.session import run_folder

    folder = run_folder(parsed.run)
    run = runs.read(folder, data=parsed.data)
    if runs.is_exported(run):
        print(f"up to date: {folder / 'model'}")
        return 0
    from train import export

    with lock.locked(str(folder), command="python -m train export"):
        path = export.export(run, runs.load(run))
    print(f"exported step {run.state.step} to {path}")
    return 0


def _fill(parsed: argparse.Namespace, _: list[str]) -> int:
    from train.fill import fill
    from train.session import run_folder

    guessed = fill(run_folder(parsed.run) / "model", parsed.texts, top=parsed.top)
    for text, guesses in zip(parsed.texts, guessed, strict=True):
        print(text)
        print("  " + "  ".join(f"{g.token!r} {100 * g.probability:.1f} %" for g in guesses))
    return 0


def _trace(parsed: argparse.Namespace, _: list[str]) -> int:
    from train import provenance, runs
    from train.session import run_folder

    if parsed.run is not None:
        session = runs.begun(run_folder(parsed.run), data=parsed.data)
    elif parsed.data is None:
        raise ValueError("--model RECIPE needs --data, the DATA folder or the shard set")
    else:
        session = _session(parsed)
    if parsed.row is not None:
        places = provenance.places_of_row(session, parsed.row)
    else:
        places = provenance.places_of_step(session, parsed.step)
    print(provenance.table(session, places))
    return 0


def _verify(parsed: argparse.Namespace, _: list[str]) -> int:
    from train import runs, saved
    from train.session import run_folder

    folder = run_folder(parsed.run)
    run = runs.read(folder, data=parsed.data)
    faults = []
    for path in saved.finished(folder):
        found = saved.verify(path)
        faults += found
        print(f"{path}: {'damaged' if found else 'whole'}")
    shards, lengths = run.session.shards, run.session.stream.timeline.row_lengths
    there = {
        (shard.row_length, shard.source, shard.subset)
        for shard in shards.shards
        if shard.row_length in lengths
    }
    for length, source, subset in sorted(there):
        shards.rows(source, subset, length, verify_digests=True)
        print(f"{shards.url}: {source} {subset} rows of {length} tokens: whole")
    if faults:
        raise ValueError("; ".join(faults) + "; remove the damaged folder and run `fit` again")
    return 0


if __name__ == "__main__":
    sys.exit(main())
