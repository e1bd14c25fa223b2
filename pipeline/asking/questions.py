"""The commands that only ask: `why`, `what-if` and `diff`. They write no set and start no Beam."""

import argparse
from collections.abc import Callable

from pipeline import recipe
from pipeline.asking.ledger import open_ledger
from pipeline.running import worker

HELP = {
    "why": "one document's whole life: where it is from, its measures beside the thresholds, its "
    "duplicates, its fate, its rows",
    "what-if": "what other thresholds would keep and drop; made in memory, nothing is written",
    "diff": "which documents two selections keep, and why the other one does not",
}
"""Command -> what it answers."""


def add_arguments(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands to a command line."""
    subs = {
        name: commands.add_parser(name, help=text, description=text) for name, text in HELP.items()
    }
    for name, sub in subs.items():
        if name != "diff":
            sub.add_argument(
                "--recipe", default="demo", help="a corpus recipe (TOML), or a shipped one's name"
            )
        sub.add_argument("--data", default="data", help="folder or URL of all sets")
        sub.add_argument("--dump", default="", help="what ${DUMP} in the recipe stands for")
    subs["why"].add_argument(
        "what",
        nargs="+",
        metavar="WHAT",
        help="a document's id, key or title, or some of its text; what is rejected is found by key "
        "and title",
    )
    subs["why"].add_argument("--samples", action="store_true", help="show some of its text")
    subs["what-if"].add_argument(
        "changes",
        nargs="+",
        metavar="RULE=VALUE",
        help="min_words=40, wiki:max_digits=off, preset=gopher, language_id=trust, "
        "near_duplicate=0.9, contamination=0.8, min_language_score=0.5, ...; before a colon the "
        "one source that is meant",
    )
    for name in ("A", "B"):
        subs["diff"].add_argument(
            name.lower(),
            metavar=name,
            help="a recipe, the name of a corpus in the DATA folder, or the id of a fates set",
        )
    subs["diff"].add_argument(
        "--list", default="", metavar="FILE", help="write the ids of those that differ (TSV)"
    )


def answer(options: argparse.Namespace, show: Callable[[str], None]) -> int:
    """Answer one of the commands.

    Args:
        options: as parsed.
        show: prints.

    Returns:
        The exit status: 2 when `why` finds no such document.

    Raises:
        ValueError: bad input or recipe, or nothing was made yet.
    """
    if options.command == "diff":
        from pipeline.asking import diff

        a, b = (
            diff.find(name, data=options.data, dump=options.dump) for name in (options.a, options.b)
        )
        show(diff.answer(a, b, list_to=options.list))
        return 0
    own = recipe.load(options.recipe, variables={"DUMP": options.dump or "-"})
    ledger = open_ledger(own.name, data=options.data)
    if options.command == "what-if":
        from pipeline.asking import what_if

        # pyarrow's `to_numpy` imports pandas where it is there, an eighth of the whole answer.
        with worker.lean_imports("pandas"):
            show(what_if.answer(own, ledger, options.changes))
        return 0
    from pipeline.asking import why

    return why.answer(own, ledger, " ".join(options.what), samples=options.samples, show=show)
