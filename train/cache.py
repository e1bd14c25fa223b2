"""Shards of a set on an object store: fetched, proved whole, and kept within a limit.

    FOLDER/<sha256>.arrow   a shard, under its content, so that sets which share it share the file
    FOLDER/<sha256>.ok      the time it had when its sha256 was looked at; another time: look again
    FOLDER/.fetch-*         a shard on its way, of the size it will have
    FOLDER/.lock-*          held while a shard is looked for, or while room is made

All processes of a machine may share a folder. A shard is fetched by one of them while the others
wait. To make room, what was asked for longest ago is removed; who still has it open reads on, since
the file lives until it is closed, and is told to close it by its name being gone (`corpus.rows`).
Where even that leaves no room, because of what others are fetching, one of them is waited for. The
files of a shard come together, so there is room for them at once, and are kept until all have been
asked for; who loses one before it is open fetches it again.
"""

import fcntl
import hashlib
import logging
import math
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from corpus import keyed, storage
from corpus.sets import File

if TYPE_CHECKING:
    from corpus.rows import Fetch
    from corpus.shards import ShardSet
    from train.recipe import CacheConfig

log = logging.getLogger(__name__)

_CHUNK_BYTES = 8 << 20
_MAX_ATTEMPTS = 6
"""In a row without a byte, before a shard is given up."""
_MAX_WAIT_SECONDS = 60.0


class ShardCache:
    """A folder of shards that lie elsewhere."""

    def __init__(
        self, folder: Path, *, max_bytes: int, wait: Callable[[float], None] = time.sleep
    ) -> None:
        """Use a folder, which is made when first needed.

        Args:
            folder: local; may be shared.
            max_bytes: most bytes of shards in it.
            wait: sleeps for so many seconds between attempts.
        """
        self._folder = folder
        self._max_bytes = max_bytes
        self._wait = wait

    def fetch(self, url: str, wanted: File) -> Path:
        """Return where a file lies locally; see `together`. Others may remove it from now on."""
        with self.together([(url, wanted)]) as (path,):
            return path

    @contextmanager
    def together(self, files: Sequence[tuple[str, File]]) -> Iterator[list[Path]]:
        """Have files lie here at the same time, whole, and let nobody remove them meanwhile.

        A thread must leave one such context before it enters another, or ranks wait for each other.

        Args:
            files: the origin of each, and its size and sha256, as the manifest says.

        Raises:
            ValueError: one is missing or damaged at its origin or cannot be reached, or they are
                larger than the cache; the message names it.
        """
        size = sum(file.num_bytes for _, file in files)
        if size > self._max_bytes:
            raise ValueError(_too_large(files[0][0], size, self._folder, self._max_bytes))
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(
                f"{self._folder}: cannot be made ({error.strerror}); set [cache] folder"
            ) from error
        paths = [self._path(file) for _, file in files]
        with ExitStack() as held:
            # In one order, so that no two wait for each other.
            for prefix in sorted({file.sha256[:2] for _, file in files}):
                held.enter_context(_held(self._folder / f".lock-{prefix}"))
            for path, (url, file) in zip(paths, files, strict=True):
                if not _is_whole(path, file) and path.exists():
                    log.warning("%s: damaged in the cache; fetching it again from %s", path, url)
                    path.unlink(missing_ok=True)
            for url, file, part in self._reserve(held, files):
                self._download(url, file, part)
            for path in paths:
                # The time of the last use orders what goes first; that of the content stays.
                os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))
            yield paths

    def _path(self, file: File) -> Path:
        return self._folder / f"{file.sha256}.arrow"

    def _download(self, url: str, wanted: File, part: Path) -> None:
        found = self._gather(url, wanted, part)
        if found != wanted.sha256:
            log.warning("%s: came with sha256 %s; fetching it once more", url, found)
            found = self._gather(url, wanted, part)
        if found != wanted.sha256:
            raise ValueError(
                f"{url}: damaged: sha256 {found}, the manifest says {wanted.sha256} (fetched "
                "twice); put a whole copy there, or run `make shards` again"
            )
        with part.open("rb") as file:
            os.fsync(file.fileno())
        _stamp(self._path(wanted), part.stat().st_mtime_ns)
        part.replace(self._path(wanted))

    def _reserve(
        self, held: ExitStack, files: Sequence[tuple[str, File]]
    ) -> list[tuple[str, File, Path]]:
        """Keep what is there of some files and make room for the others, all at once.

        Who waits here has nothing that others wait for, so that there is always one that goes on.

        Args:
            held: lets go of all of it in the end.
            files: as `together`.

        Returns:
            origin and facts of each that is not there, and what to write it into.
        """
        own = {self._path(file) for _, file in files}
        while True:
            with _held(self._folder / ".lock-room"), ExitStack() as mine:
                missing = [
                    (url, file)
                    for url, file in files
                    if not mine.enter_context(_kept(self._path(file)))
                ]
                num_bytes = sum(file.num_bytes for _, file in missing)
                other = self._make_room(num_bytes, own=own) if missing else None
                if other is None:
                    found = [
                        (url, file, mine.enter_context(_part(self._folder, file.num_bytes)))
                        for url, file in missing
                    ]
                    held.push(mine.pop_all())
                    return found
            log.info(
                "%s: waiting for room in %s, where %s is in use",
                files[0][0],
                self._folder,
                other.name,
            )
            with suppress(FileNotFoundError), other.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX)

    def _make_room(self, num_bytes: int, *, own: set[Path]) -> Path | None:
        """Remove what is needed for so many bytes; or return what to wait for.

        That is the largest of what others are fetching, or keep until they have opened it.
        """
        for part in self._folder.glob(".fetch-*"):
            if _is_free(part):  # a killed process left it
                part.unlink(missing_ok=True)
        busy = {path: facts.st_size for path, facts in self._facts(".fetch-*").items()}
        if sum(busy.values()) + num_bytes > self._max_bytes:
            return _largest(busy)  # before anything is removed in vain
        there = self._facts("*.arrow")
        total = num_bytes + sum(busy.values()) + sum(facts.st_size for facts in there.values())
        for path in sorted(there, key=lambda path: there[path].st_atime_ns):
            if total <= self._max_bytes:
                break
            if _is_free(path):
                path.unlink(missing_ok=True)
                path.with_suffix(".ok").unlink(missing_ok=True)
                total -= there[path].st_size
            elif path not in own:
                busy[path] = there[path].st_size
        return None if total <= self._max_bytes else _largest(busy)

    def _facts(self, pattern: str) -> dict[Path, os.stat_result]:
        found: dict[Path, os.stat_result] = {}
        for path in self._folder.glob(pattern):
            with suppress(FileNotFoundError):
                found[path] = path.stat()
        return found

    def _gather(self, url: str, wanted: File, part: Path) -> str:
        """Download all bytes; return their sha256."""
        digest, have, attempt = hashlib.sha256(), 0, 0
        # Clients keep sizes and pages of files; after a fault they must look anew.
        with part.open("r+b") as file:
            while have < wanted.num_bytes:
                try:
                    data = _range(url, have, wanted.num_bytes)
                    why = f"ends after {have:,} of {wanted.num_bytes:,} bytes"
                except FileNotFoundError as error:
                    raise ValueError(
                        f"{url}: missing; put it there, or run `make shards` again"
                    ) from error
                except PermissionError as error:
                    raise ValueError(f"{url}: may not be read; check the credentials") from error
                except (OSError, *storage.client_errors()) as error:
                    data, why = b"", str(error) or type(error).__name__
                if data:
                    attempt = 0
                    file.write(data)
                    digest.update(data)
                    have += len(data)
                    continue
                attempt += 1
                if attempt == _MAX_ATTEMPTS:
                    raise ValueError(
                        f"{url}: {why} (tried {attempt} times); check the network and the store, "
                        "or put a whole copy there"
                    )
                log.warning("%s: %s; trying again", url, why)
                self._wait(back_off(wanted.sha256, attempt))
        return digest.hexdigest()


def back_off(sha256: str, attempt: int) -> float:
    """Return how long to wait before an attempt: doubling from a second, minus up to a half.

    What is taken off follows from the file, so that ranks which failed together come back apart.
    """
    draw = int(keyed.mix(int(sha256[:16], 16), attempt)) >> 32
    return min(_MAX_WAIT_SECONDS, 2.0 ** (attempt - 1)) * (1 - draw / (1 << 33))


def _range(url: str, start: int, size: int) -> bytes:
    """Return the next bytes of a file from `start` on, of its `size` in all."""
    stop = min(start + _CHUNK_BYTES, size)
    data = storage.read_bytes(url, start=start, end=stop)
    # A web server that knows no ranges sends everything, which is then not asked for again.
    return data[start:size] if len(data) > stop - start else data


def _is_whole(path: Path, wanted: File) -> bool:
    try:
        with path.open("rb") as file:
            facts = os.fstat(file.fileno())
            if facts.st_size != wanted.num_bytes:
                return False
            with suppress(FileNotFoundError, ValueError):
                if int(path.with_suffix(".ok").read_text()) == facts.st_mtime_ns:
                    return True
            if hashlib.file_digest(file, "sha256").hexdigest() != wanted.sha256:
                return False
    except FileNotFoundError:
        return False
    _stamp(path, facts.st_mtime_ns)
    return True


def _stamp(path: Path, changed_ns: int) -> None:
    # If it is lost or torn, the content is looked at once more.
    path.with_suffix(".ok").write_text(str(changed_ns))


def _is_free(path: Path) -> bool:
    """Tell whether a file is there that nobody holds."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, FileNotFoundError):
        return False
    return True


def _largest(sizes: dict[Path, int]) -> Path:
    return max(sorted(sizes), key=sizes.__getitem__)


@contextmanager
def _kept(path: Path) -> Iterator[bool]:
    """Keep a file from being removed, if it is there; yield whether it is."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        yield False
        return
    with file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield True


@contextmanager
def _part(folder: Path, num_bytes: int) -> Iterator[Path]:
    """Yield an empty file of a size; nothing of it stays but by a rename.

    It is held as long as this process lives, so that others know what a killed one left, and when
    to look for room again.
    """
    descriptor, name = tempfile.mkstemp(prefix=".fetch-", dir=folder)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.truncate(descriptor, num_bytes)
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)
        os.close(descriptor)


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """Hold a lock among the threads and processes of this machine; wait for it."""
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class _CachedFiles:
    """Fetches the files of a set on an object store, those of a shard together."""

    def __init__(
        self, shards: "ShardSet", config: "CacheConfig", *, wait: Callable[[float], None]
    ) -> None:
        folder = config.folder
        if folder is None:
            home = os.environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser())
            folder = str(Path(home) / "gristmill" / "shards")
        self._cache = ShardCache(Path(folder), max_bytes=int(config.max_gb * 1e9), wait=wait)
        self._url = shards.url
        self._files = {
            name: file for part in shards.manifest.parts for name, file in part.files.items()
        }
        # The files of a shard that are opened at once.
        self._groups = {
            name: shard.row_files() for shard in shards.shards for name in shard.row_files()
        }
        self._mine = threading.local()

    def __getstate__(self) -> dict[str, object]:
        """Go to another process, without what a thread of this one keeps there."""
        return {name: value for name, value in vars(self).items() if name != "_mine"}

    def __setstate__(self, state: dict[str, object]) -> None:
        vars(self).update(state, _mine=threading.local())

    def __call__(self, name: str) -> Path:
        """Fetch all of a shard with its first file, and keep it until its last is asked for."""
        mine = self._mine
        kept: dict[str, Path] = getattr(mine, "kept", {})
        if name in kept:
            path = kept.pop(name)
            if not kept:
                mine.held.close()
            return path
        if kept:
            kept.clear()
            mine.held.close()
        group = self._groups.get(name, (name,))
        with ExitStack() as held:
            wanted = [(storage.join(self._url, one), self._files[one]) for one in group]
            paths = held.enter_context(self._cache.together(wanted))
            mine.kept = dict(zip(group, paths, strict=True))
            path = mine.kept.pop(name)
            if mine.kept:
                mine.held = held.pop_all()
        return path


def cached_files(
    shards: "ShardSet", config: "CacheConfig", *, wait: Callable[[float], None] = time.sleep
) -> "Fetch":
    """Return what fetches the files of a set on an object store."""
    return _CachedFiles(shards, config, wait=wait)


def _too_large(url: str, num_bytes: int, folder: str | Path, max_bytes: int) -> str:
    least = math.ceil(num_bytes / 1e6) / 1000
    return (
        f"{url}: {num_bytes:,} bytes are opened at once, and the cache {folder} may hold "
        f"{max_bytes:,}; raise [cache] max_gb to at least {least}, or better several times that"
    )
