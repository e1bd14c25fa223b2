"""`python -m corpus`: look at sets, prove them whole, prune them, fetch raw text."""

from corpus import interrupt

if __name__ == "__main__":
    interrupt.end_at_once()  # before the imports, which take a third of a second

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from corpus import check, excerpt, fetch, head, keep, origins, repair, sets, storage
from corpus.download import Wanted
from corpus.shards import ShardSet
from corpus.text_table import aligned


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    top = argparse.ArgumentParser(prog="python -m corpus", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text)

    for name, text in (
        ("list", "show all sets of a DATA folder and who uses them"),
        ("gc", "show the sets that nothing uses, or remove them with --delete"),
    ):
        sub = add(name, text)
        sub.add_argument("--data", default="data", help="the DATA folder or URL")
        if name == "gc":
            sub.add_argument("--delete", action="store_true", help="remove them")
    sub = add("verify", "prove a set whole: every file's digest, and the rows of shards")
    sub.add_argument("set", help="folder or URL of one set")
    sub = add("repair", "replace what is damaged or missing in a set by the files of a copy")
    sub.add_argument("set", help="folder or URL of one set")
    sub.add_argument(
        "--from", dest="origin", required=True, metavar="URL", help="folder or URL of the copy"
    )
    sub = add("head", "show the first rows of a set as text, unknown text as [UNK]")
    sub.add_argument("set", help="folder or URL of one set")
    sub.add_argument("--rows", type=int, default=3, help="how many")
    sub.add_argument("--source", help="of shards: only rows of this source")
    sub.add_argument("--subset", default="train", help="of shards: train or held_out")
    sub.add_argument("--row-length", type=int, help="of shards; by default the least there is")
    sub.add_argument(
        "--words",
        action="store_true",
        help="of shards: a bar before each word, in sources with a segmenter",
    )
    sub = add("trace", "tell which documents a row is from, or where a document's rows are")
    sub.add_argument("set", help="folder or URL of a shard set")
    what = sub.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--row",
        type=int,
        help="number of a row, among those of its source, subset and row length, or in its --shard",
    )
    what.add_argument("--document", help="id, key, SOURCE:KEY, address or title of a document")
    sub.add_argument("--token", type=int, help="only the document at this position of the row")
    sub.add_argument("--source", help="of the row, where the set has several")
    sub.add_argument("--subset", choices=("train", "held_out"), help="of the row; default: train")
    sub.add_argument("--row-length", type=int, help="of the row, where the set has several")
    sub.add_argument("--shard", help="name of the shard that the row lies in")
    sub = add("fetch", "download raw text: wikipedia, cc-news, gutenberg, or any URL")
    sub.add_argument(
        "what",
        nargs="*",
        metavar="WHAT",
        help="wikipedia, cc-news, gutenberg, or URLs; nothing for the excerpt of `make demo`",
    )
    sub.add_argument("--to", default="raw", help="folder to put it in")
    sub.add_argument("--language", default="en", help="of the Wikipedia, or of Gutenberg's books")
    sub.add_argument("--date", default="latest", help="of the dump: YYYYMMDD or latest")
    sub.add_argument("--month", help="of CC-News: YYYY-MM")
    sub.add_argument("--ids", help="of Gutenberg's books: numbers with commas")
    sub.add_argument("--catalogue", help="of Gutenberg: pg_catalog.csv, for all of --language")
    sub.add_argument("--files", type=int, help="only the first so many")
    sub.add_argument("--mirror", help="another address with the same folders")
    sub.add_argument("--sha256", action="append", default=[], help="of each URL, in their order")
    sub.add_argument("--pause", type=float, default=2, help="seconds between Gutenberg's books")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 0 done, 1 damage found, 2 bad input."""
    options = parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        with interrupt.raised():
            status = _COMMANDS[options.command](options)
            sys.stdout.flush()
        return status
    except BrokenPipeError:
        # Whoever read our output has seen enough, as in `report | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError, *storage.client_errors()) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        return 130


def _list(options: argparse.Namespace) -> int:
    if not storage.exists(options.data):
        raise ValueError(f"{options.data}: no such DATA folder; give --data")
    rows = [["stage", "id", "state", "MB", "used by"]]
    rows.extend(
        [
            kept.stage,
            kept.id,
            "finished" if kept.is_finished else "unfinished",
            f"{kept.num_bytes / 1e6:.1f}",
            ", ".join(kept.used_by) or "-",
        ]
        for kept in keep.survey(options.data)
    )
    print(aligned(rows))
    return 0


def _gc(options: argparse.Namespace) -> int:
    if not storage.exists(options.data):
        raise ValueError(f"{options.data}: no such DATA folder; give --data")
    gone = keep.prune(options.data) if options.delete else keep.prunable(options.data)
    for kept in gone:
        print(f"{kept.url}: {kept.num_bytes / 1e6:.1f} MB")
    total = sum(kept.num_bytes for kept in gone) / 1e6
    done = "removed" if options.delete else "would be removed (say --delete)"
    print(f"{len(gone)} sets, {total:.1f} MB {done}")
    return 0


def _verify(options: argparse.Namespace) -> int:
    damage = list(check.damage(options.set))
    for line in damage:
        print(line)
    if damage:
        cure = f"`python -m corpus repair {options.set} --from URL` replaces files from a copy"
        print(cure, file=sys.stderr)
    else:
        manifest = sets.read_manifest(options.set)
        num_files = len(manifest.files) + sum(len(part.files) for part in manifest.parts)
        print(
            f"{options.set}: whole, {num_files} files of {len(manifest.parts)} parts; "
            f"its id is {manifest.id}"
        )
    return 1 if damage else 0


def _repair(options: argparse.Namespace) -> int:
    num = 0
    for name in repair.repair(options.set, options.origin):
        print(f"{name}: replaced", flush=True)
        num += 1
    print(f"{options.set}: whole, {num} files replaced from {options.origin}")
    return 0


def _head(options: argparse.Namespace) -> int:
    if options.rows < 1:
        raise ValueError(f"--rows must be at least 1, got {options.rows}")
    which = head.Which(source=options.source, subset=options.subset, row_length=options.row_length)
    for row in head.head(options.set, num_rows=options.rows, which=which, words=options.words):
        print(row + "\n")
    return 0


def _trace(options: argparse.Namespace) -> int:
    shards = ShardSet(options.set, sets.read_manifest(options.set))
    if options.document is not None:
        given = ("token", "source", "subset", "row_length", "shard")
        if of_rows := [name for name in given if getattr(options, name) is not None]:
            raise ValueError(
                f"--{of_rows[0].replace('_', '-')} says which row; --document shows all of them"
            )
        pieces = origins.document(shards, options.document)
    else:
        shard, row = origins.find_row(
            shards,
            options.row,
            name=options.shard,
            source=options.source,
            subset=options.subset or "train",
            row_length=options.row_length,
        )
        pieces = origins.row(shards, shard, row, token=options.token)
    print(origins.table(pieces))
    return 0


def _fetch(options: argparse.Namespace) -> int:
    if not options.what:
        print(excerpt.fetch(options.to))
        return 0
    wanted = _wanted(options)
    if options.files is not None:
        wanted = wanted[: options.files]
    pause = options.pause if options.what == ["gutenberg"] else 0
    for path in fetch.all_of(wanted, options.to, pause_seconds=pause):
        print(path, flush=True)
    return 0


def _wanted(options: argparse.Namespace) -> list[Wanted]:
    what = options.what[0]
    mirror = options.mirror or fetch.MIRRORS.get(what, "")
    if what in fetch.MIRRORS and len(options.what) > 1:
        raise ValueError(f"{' '.join(options.what)}: one source at a time")
    if what == "wikipedia":
        return fetch.wikipedia(language=options.language, date=options.date, mirror=mirror)
    if what == "cc-news":
        if not options.month:
            raise ValueError("cc-news needs --month YYYY-MM")
        return fetch.cc_news(month=options.month, mirror=mirror)
    if what == "gutenberg":
        if not options.ids and not options.catalogue:
            raise ValueError("gutenberg needs --ids 1342,16215 or --catalogue pg_catalog.csv")
        ids = fetch.book_ids(options.ids or "")
        if options.catalogue:
            ids += fetch.catalogue_ids(options.catalogue, language=options.language)
        return fetch.gutenberg(ids=ids, mirror=mirror)
    return fetch.urls(options.what, sha256=options.sha256)


_COMMANDS = {
    "list": _list,
    "gc": _gc,
    "verify": _verify,
    "repair": _repair,
    "head": _head,
    "trace": _trace,
    "fetch": _fetch,
}

if __name__ == "__main__":
    sys.exit(main())
