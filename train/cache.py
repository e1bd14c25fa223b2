"""Shards of a set on an object store: fetched, proved whole, and kept within a limit.

    FOLDER/<sha256>.arrow   a shard, under its content, so that sets which share it share the file
    FOLDER/<sha256>.ok      the time it had when its sha256 was looked at; another time: look again
    FOLDER/.fetch-*         a shard on its way, of the size it will have
    FOLDER/.lock-*          held while a shard is looked for, or while room is made

All processes of a machine may share a folder. A shard is fetched by one of them while the others
wait. To make room, what was asked for longest ago is removed; who still has it open reads on, since
the file lives until it is closed, and is told to close it by its name being gone (`corpus.rows`).
Where even that leaves no room, because of what others are fetching, one of them is waited for: who
fetches waits for nobody, so that there is always one that goes on.
"""

import fcntl
import hashlib
import logging
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
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
        """Return where a file lies locally, after fetching it if it is not there whole.

        Args:
            url: its origin.
            wanted: its size and sha256, as the manifest says.

        Raises:
            ValueError: it is missing or damaged at its origin, cannot be reached, or is larger
                than the cache; the message names it.
        """
        path = self._folder / f"{wanted.sha256}.arrow"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(
                f"{self._folder}: cannot be made ({error.strerror}); set [cache] folder"
            ) from error
        with _held(self._folder / f".lock-{wanted.sha256[:2]}"):
            if not _is_whole(path, wanted):
                if path.exists():
                    log.warning("%s: damaged in the cache; fetching it again from %s", path, url)
                    path.unlink(missing_ok=True)
                self._download(url, wanted, path)
            # Who makes room may be removing it already; then it is fetched again when it is opened.
            with suppress(FileNotFoundError):
                # The time of the last use orders what goes first; that of the content stays.
                os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))
        return path

    def _download(self, url: str, wanted: File, path: Path) -> None:
        with self._room(url, wanted) as part:
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
            # Before it has its name, from when on others may remove it.
            _stamp(path, part.stat().st_mtime_ns)
            part.replace(path)

    @contextmanager
    def _room(self, url: str, wanted: File) -> Iterator[Path]:
        """Make room for a file and yield where to write it; nothing of it stays but by a rename."""
        if wanted.num_bytes > self._max_bytes:
            raise ValueError(_too_large(url, wanted.num_bytes, self._folder, self._max_bytes))
        while True:
            with _held(self._folder / ".lock-room"):
                other = self._make_room(wanted.num_bytes)
                if other is None:
                    descriptor, name = tempfile.mkstemp(prefix=".fetch-", dir=self._folder)
                    # Held as long as this process lives, so that others know what a killed one
                    # left, and when to look for room again.
                    fcntl.flock(descriptor, fcntl.LOCK_EX)
                    os.truncate(descriptor, wanted.num_bytes)
                    break
            log.info("%s: waiting for room in %s, until %s is there", url, self._folder, other.name)
            with suppress(FileNotFoundError), other.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH)
        part = Path(name)
        try:
            yield part
        finally:
            with suppress(FileNotFoundError):
                part.unlink()
            os.close(descriptor)

    def _make_room(self, num_bytes: int) -> Path | None:
        """Remove what is needed for so many bytes; or return what to wait for, and remove nothing.

        What is waited for is a shard on its way, the largest.
        """
        for part in self._folder.glob(".fetch-*"):
            if _is_left_behind(part):
                part.unlink(missing_ok=True)
        coming = {path: facts.st_size for path, facts in self._facts(".fetch-*").items()}
        room = self._max_bytes - sum(coming.values()) - num_bytes
        if room < 0:
            return max(sorted(coming), key=coming.__getitem__)
        there = self._facts("*.arrow")
        total = sum(facts.st_size for facts in there.values())
        for path in sorted(there, key=lambda path: there[path].st_atime_ns):
            if total <= room:
                break
            path.unlink(missing_ok=True)
            path.with_suffix(".ok").unlink(missing_ok=True)
            total -= there[path].st_size
        return None

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


def _is_left_behind(part: Path) -> bool:
    try:
        with part.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except FileNotFoundError:
        return False
    return True


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """Hold a lock among the threads and processes of this machine; wait for it."""
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def cached_files(
    shards: "ShardSet", config: "CacheConfig", *, wait: Callable[[float], None] = time.sleep
) -> "Fetch":
    """Return what fetches the files of a set on an object store."""
    folder = config.folder
    if folder is None:
        home = os.environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser())
        folder = str(Path(home) / "gristmill" / "shards")
    max_bytes = int(config.max_gb * 1e9)
    cache = ShardCache(Path(folder), max_bytes=max_bytes, wait=wait)
    files = {name: file for part in shards.manifest.parts for name, file in part.files.items()}
    # A shard's files are opened together, so they must lie there together.
    together: dict[str, int] = {}
    for shard in shards.shards:
        names = shard.row_files()
        together |= dict.fromkeys(names, sum(files[name].num_bytes for name in names))

    def fetch(name: str) -> Path:
        url, wanted = storage.join(shards.url, name), files[name]
        if (size := together.get(name, wanted.num_bytes)) > max_bytes:
            raise ValueError(_too_large(url, size, folder, max_bytes))
        return cache.fetch(url, wanted)

    return fetch


def _too_large(url: str, num_bytes: int, folder: str | Path, max_bytes: int) -> str:
    least = math.ceil(num_bytes / 1e6) / 1000
    return (
        f"{url}: {num_bytes:,} bytes are opened at once, and the cache {folder} may hold "
        f"{max_bytes:,}; raise [cache] max_gb to at least {least}, or better several times that"
    )
