"""`python -m pipeline STAGE --recipe RECIPE --data DATA`: raw text becomes shards."""

from corpus import interrupt

if __name__ == "__main__":
    interrupt.end_at_once()  # before the imports, which take half a second

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from corpus import storage
from pipeline.asking import questions
from pipeline.running.crew import Crew
from pipeline.running.runner import NotRunError, Runner, quiet_beam
from pipeline.running.signals import end_cleanly

_HELP = {
    "documents": "raw files -> text, one row per document (Parquet)",
    "measures": "quality metrics, exact keys and MinHash signatures beside the text",
    "matches": "exact and verified near duplicate pairs",
    "fates": "keep or drop each document, with the one reason; choose the held-out ones",
    "tokenizer": "train a tokenizer on the kept text, or pin one",
    "shards": "encode, cut and pack the kept text into rows (Arrow)",
    "canaries": "plant documents of known fate among a sample of the corpus's own, in a folder of "
    "its own, and check what becomes of them",
    "forget": "take documents out of the shards, and keep them out: only the shards in which they "
    "stand are rewritten",
    "report": "print documents and bytes per stage, with reasons",
}
_ASKING = ("report", "canaries", "forget", *questions.HELP)


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    top = argparse.ArgumentParser(
        prog="python -m pipeline",
        description="Raw text becomes packed shards. A stage first makes the stages before it; "
        "what is finished is not made again.",
        epilog="Options that are not named here go to Beam, such as --region for Dataflow.",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="STAGE")
    for name, text in _HELP.items():
        sub = commands.add_parser(name, help=text, description=text, epilog=top.epilog)
        sub.add_argument(
            "--recipe", default="demo", help="a corpus recipe (TOML), or the name of a shipped one"
        )
        sub.add_argument("--data", default="data", help="folder or URL of all sets")
        sub.add_argument("--dump", default="", help="what ${DUMP} in the recipe stands for")
        if name == "canaries":
            sub.add_argument(
                "--canaries", type=int, default=50, help="how many of each class (default: 50)"
            )
        elif name == "forget":
            _add_forget_arguments(sub)
        elif name != "report":
            sub.add_argument(
                "--runner",
                default="FnApiRunner",
                help="Beam runner: FnApiRunner (this machine), DataflowRunner, FlinkRunner, ...",
            )
            sub.add_argument(
                "--workers",
                type=int,
                help="local worker processes (default: one per core from 64 MB of input on)",
            )
    questions.add_arguments(commands)
    return top


def _add_forget_arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--ids",
        required=True,
        metavar="FILE",
        help="a document a line: its id, or SOURCE:KEY; what stands behind a tab does not count, "
        "nor do lines that begin with #; - is the standard input",
    )
    sub.add_argument(
        "--reason",
        default="",
        help="why; it goes into the manifest and the dataset card, so it should name no one",
    )
    sub.add_argument("--dry-run", action="store_true", help="only say what would go")
    sub.add_argument(
        "--purge",
        action="store_true",
        help="remove the shard sets that nothing uses and that hold a forgotten document, or are "
        "unfinished and might",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 0 done, 1 a fault of ours, 2 bad input or recipe."""
    options, rest = parser().parse_known_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    try:
        with end_cleanly():
            if options.command not in _ASKING:
                with Crew() as crew:
                    return _run(options, _runner(options, rest, crew, is_lean=arguments is None))
            if rest:
                raise ValueError(f"unknown options: {' '.join(rest)}")
            if options.command == "report":
                return _report(options)
            if options.command == "canaries":
                return _canaries(options)
            if options.command == "forget":
                return _forget(options)
            return questions.answer(options, print)
    except BrokenPipeError:
        # Whoever read our output has seen enough, as in `report | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError, *storage.client_errors()) as error:
        print(f"error: {error}", file=sys.stderr)
        if os.environ.get("GRISTMILL_DEBUG"):
            raise
        return 2


def _runner(options: argparse.Namespace, rest: list[str], crew: Crew, *, is_lean: bool) -> Runner:
    runner = Runner(
        name=options.runner,
        workers=options.workers,
        options=tuple(rest),
        crew=crew,
        is_lean=is_lean,
    )
    if runner.is_local and runner.workers is not None and runner.workers > 1:
        # They import what they need while this process does, and looks at the input.
        crew.start(runner.workers)
    return runner


def _run(options: argparse.Namespace, runner: Runner) -> int:
    quiet_beam()
    from pipeline import compiled, plan, recipe, stages
    from pipeline.asking import report

    if options.command != "documents" and runner.is_local and not compiled.is_compiled():
        print("compiling the kernels, once on this machine: half a minute", file=sys.stderr)

    def say(made: stages.Made) -> None:
        state = "made" if made.is_new else "up to date"
        print(f"{made.command}: {state}: {made.url}", flush=True)
        if made.is_new:
            paths = plan.known_paths(options.data)
            print(report.lines(made.command, made.manifest, made.url, paths) + "\n", flush=True)

    try:
        stages.run(
            recipe.load(options.recipe, variables={"DUMP": options.dump}),
            data=options.data,
            upto=options.command,
            runner=runner,
            say=say,
        )
    except NotRunError as built:
        print(built)
    return 0


def _report(options: argparse.Namespace) -> int:
    from corpus import sets
    from pipeline import plan, recipe, stages
    from pipeline.asking import report

    name = recipe.load(options.recipe, variables={"DUMP": options.dump or "-"}).name
    pointers = sets.read_corpus(options.data, name)
    if not pointers:
        raise ValueError(
            f"{options.data}: nothing made of corpus {name!r} yet; "
            f"run `make shards DATA={options.data}`"
        )
    for command, folder in stages.FOLDERS.items():
        if folder in pointers:
            url = sets.folder(options.data, folder, pointers[folder])
            print(f"{command}: {url}")
            manifest, paths = sets.read_manifest(url), plan.known_paths(options.data)
            print(report.lines(command, manifest, url, paths) + "\n")
    return 0


def _canaries(options: argparse.Namespace) -> int:
    quiet_beam()
    from pipeline import recipe
    from pipeline.asking import canaries, canary_report

    if options.canaries < 1:
        raise ValueError(f"--canaries must be at least 1, got {options.canaries}")
    chosen = recipe.load(options.recipe, variables={"DUMP": options.dump or "-"})
    outcome = canaries.run(chosen, data=options.data, num=options.canaries, runner=Runner())
    answer = canary_report.report(outcome, chosen)
    print(answer.text)
    return 1 if answer.wrong else 0


def _forget(options: argparse.Namespace) -> int:
    quiet_beam()
    from pipeline import recipe
    from pipeline.forgetting import forget, forgotten

    def note(line: str) -> None:
        print(line, file=sys.stderr)

    forget.answer(
        recipe.load(options.recipe, variables={"DUMP": options.dump or "-"}).name,
        forgotten.read_ids(options.ids, show=note),
        data=options.data,
        reason=options.reason,
        is_dry=options.dry_run,
        is_purge=options.purge,
        show=print,
    )
    return 0


if __name__ == "__main__":
    _status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # All files are in place. To take Beam's modules apart one by one takes most of a second.
    os._exit(_status)
