"""Files of a set on this machine, read once and held against their digests.

    SET/.proven.json    which were found whole, as of which size and times

A file is not read again as long as nothing about it has changed. That is a cache of this machine:
it may be removed at any time, and goes nowhere with the set, since a copy has times of its own.
"""

import hashlib
import json
import logging
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from corpus import identity, storage
from corpus.progress import Progress
from corpus.sets import File

log = logging.getLogger(__name__)

NAME = ".proven.json"
_CHUNK_BYTES = 1 << 20
_MOST_THREADS = 8
_REMEMBER_SECONDS = 30.0
"""How much work is lost to a run that is killed."""


def prove(folder: Path, files: Mapping[str, File], *, again: bool = False) -> int:
    """Make sure that files are those that a manifest names.

    Args:
        folder: of the set.
        files: by name in it, as the manifest says.
        again: read also those that were found whole before.

    Returns:
        How many bytes were read.

    Raises:
        ValueError: some are missing or others; the message names them and the cure.
    """
    known = {} if again else _read(folder)
    left: list[str] = []
    faults: list[str] = []
    for name, file in files.items():
        try:
            stamp = _stamp(folder / name, file)
        except FileNotFoundError:
            faults.append(f"{folder / name}: missing")
            continue
        if known.get(name) != stamp:
            left.append(name)
    if left:
        faults.extend(_read_all(folder, {name: files[name] for name in left}, known))
    if faults:
        raise ValueError(
            "\n".join(faults)
            + f"\n`python -m corpus repair {folder} --from URL` fetches them from "
            "a copy; or remove the set's folder and run `make shards` again"
        )
    return sum(files[name].num_bytes for name in left)


def _read_all(folder: Path, files: Mapping[str, File], known: dict[str, list[object]]) -> list[str]:
    """Read files on several threads; return what is wrong, and remember what is whole."""
    faults: list[str] = []
    total = sum(file.num_bytes for file in files.values())
    remembered = time.monotonic()
    # The largest first, so that none is left over at the end. hashlib lets other threads run.
    order = sorted(files, key=lambda name: (-files[name].num_bytes, name))
    num_threads = min(_MOST_THREADS, os.cpu_count() or 1, len(order))
    with (
        Progress("check shards", total=total, unit="B") as progress,
        ThreadPoolExecutor(num_threads) as pool,
    ):
        reading = {pool.submit(_stamp_of_whole, folder / name, files[name]): name for name in order}
        done = 0
        for future in as_completed(reading):
            name = reading[future]
            try:
                known[name] = future.result()
            except ValueError as error:
                faults.append(str(error))
            done += files[name].num_bytes
            progress.update(done)
            if time.monotonic() - remembered > _REMEMBER_SECONDS:
                _remember(folder, known)
                remembered = time.monotonic()
    _remember(folder, known)
    return sorted(faults)


def _stamp_of_whole(path: Path, wanted: File) -> list[object]:
    """Return what a later change of a file would change, if it is the one that is wanted.

    Raises:
        ValueError: it is another.
    """
    try:
        # Before its content is read: what changes meanwhile has another stamp.
        stamp = _stamp(path, wanted)
        digest = hashlib.sha256()
        buffer = memoryview(bytearray(_CHUNK_BYTES))
        with path.open("rb", buffering=0) as file:
            while size := file.readinto(buffer):
                digest.update(buffer[:size])
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror or error}") from error
    if digest.hexdigest() != wanted.sha256:
        raise ValueError(
            f"{path}: damaged: sha256 {digest.hexdigest()}, the manifest says {wanted.sha256}"
        )
    return stamp


def _stamp(path: Path, wanted: File) -> list[object]:
    """Return the digest that a file should have, and what tells one state of it from another.

    The time of the last change of its entry cannot be set, as that of its content can be.
    """
    status = path.stat()
    return [wanted.sha256, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _read(folder: Path) -> dict[str, list[object]]:
    try:
        known = json.loads((folder / NAME).read_bytes())
    except (OSError, json.JSONDecodeError, UnicodeDecodeError):
        return {}  # absent, torn or not ours to read: it costs only time
    return known if isinstance(known, dict) else {}


def _remember(folder: Path, known: Mapping[str, Sequence[object]]) -> None:
    try:
        storage.write_bytes(str(folder / NAME), identity.pretty(known))
    except (OSError, ValueError) as error:
        log.debug("%s: cannot be written, so it is not remembered: %s", folder / NAME, error)
