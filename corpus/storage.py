"""Files by path or URL: read, list, and write so that a half-written file is never seen.

A path without a scheme is local. Locally a file is written under a name of the attempt's own,
synced and renamed; on an object store it is one upload, which appears whole or not at all.
"""

import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

import fsspec
from fsspec.spec import AbstractFileSystem

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CLIENT_ERRORS = {
    "aiohttp": "ClientError",
    "botocore.exceptions": "BotoCoreError",
    "gcsfs.retry": "HttpError",
    "google.auth.exceptions": "GoogleAuthError",
    "httpx": "HTTPError",
    "httpx2": "HTTPError",
}


def client_errors() -> tuple[type[Exception], ...]:
    """Return what the clients of object stores raise besides OSError, of those that are loaded."""
    return tuple(
        getattr(sys.modules[module], name)
        for module, name in _CLIENT_ERRORS.items()
        if module in sys.modules
    )


def split(url: str) -> tuple[AbstractFileSystem, str]:
    """Return the file system of a path or URL and the path inside it.

    Raises:
        ValueError: the scheme is unknown or its package is not installed.
    """
    try:
        return cast("tuple[AbstractFileSystem, str]", fsspec.core.url_to_fs(url))
    except (ImportError, ValueError) as error:
        raise ValueError(
            f"{url}: cannot open this kind of storage: {error}; "
            "install the extra that reads it (`pip install -e .[aws]` or `.[gcp]`)"
        ) from error


def local_path(url: str) -> Path | None:
    """Return the local path behind a URL, or None when it is on another kind of storage."""
    if "://" not in url:
        return Path(url)
    return Path(url[len("file://") :]) if url.startswith("file://") else None


def join(url: str, *names: str) -> str:
    """Append names to a path or URL.

    Raises:
        ValueError: the path is empty, which would make the names those of the root folder.
    """
    if not url:
        raise ValueError("an empty path where a folder or URL should stand, such as --data data")
    return "/".join([url.rstrip("/"), *names])


def check_folder(url: str) -> None:
    """Check that a folder can be made and written, as far as that shows without writing.

    Raises:
        ValueError: it cannot; the message says why.
    """
    local = local_path(url)
    if local is not None:
        place = local.absolute()
        while not place.exists():
            place = place.parent
        if not place.is_dir():
            raise ValueError(f"{url}: {place} is no folder; choose another")
        if not os.access(place, os.W_OK | os.X_OK):
            raise ValueError(
                f"{url}: {place} cannot be written by this user; choose another folder, or change "
                "its owner or mode"
            )
        return
    fs, path = split(url)
    with _reaching(url):
        fs.exists(path)


@contextmanager
def _reaching(url: str) -> Iterator[None]:
    """Say what to check when a store does not let us in."""
    try:
        yield
    except (OSError, *client_errors()) as error:
        raise unreachable(url, error) from error


def unreachable(url: str, error: Exception) -> ValueError:
    """Return the error that says what to check when a store, or a disk, does not let us in."""
    if local_path(url) is not None and isinstance(error, OSError):
        return ValueError(f"{url}: cannot be read: {error.strerror or error}; change its mode")
    return ValueError(
        f"{url}: cannot be reached: {error}; check its name, the credentials and, for a store "
        "of your own, the endpoint"
    )


def exists(url: str) -> bool:
    """Tell whether a file or folder is there."""
    local = local_path(url)
    if local is not None:
        return local.exists()
    fs, path = split(url)
    with _reaching(url):
        return bool(fs.exists(path))


def size(url: str) -> int:
    """Return the number of bytes of a file."""
    local = local_path(url)
    if local is not None:
        return local.stat().st_size
    fs, path = split(url)
    return int(fs.size(path) or 0)


def read_bytes(url: str, *, start: int | None = None, end: int | None = None) -> bytes:
    """Return a file's bytes, or those from `start` to before `end`."""
    fs, path = split(url)
    return cast("bytes", fs.cat_file(path, start=start, end=end))


@contextmanager
def open_read(url: str) -> Iterator[BinaryIO]:
    """Open a file for reading with seek."""
    local = local_path(url)
    if local is not None:
        with local.open("rb") as file:
            yield file
        return
    fs, path = split(url)
    with fs.open(path, "rb") as file:
        yield cast("BinaryIO", file)


@contextmanager
def create(url: str) -> Iterator[BinaryIO]:
    """Write a file that appears whole when the block ends, and not at all when it raises.

    Raises:
        ValueError: there is no room for it, or it cannot be written at all.
    """
    local = local_path(url)
    with (
        _needing_room(url),
        _create_local(local) if local is not None else _create_remote(url) as file,
    ):
        yield file


@contextmanager
def _needing_room(url: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise ValueError(
            f"{url}: no room to write it ({error.strerror}); free some, and give the same command "
            "again: what is finished is kept"
        ) from error


@contextmanager
def _create_remote(url: str) -> Iterator[BinaryIO]:
    fs, path = split(url)
    with tempfile.TemporaryFile() as spool:
        yield cast("BinaryIO", spool)
        spool.seek(0)
        data = spool.read()
    try:
        fs.pipe_file(path, data)
    except (OSError, *client_errors()) as error:
        raise ValueError(
            f"{url}: cannot be written: {error}; check the bucket's name and the right to write it"
        ) from error
    fs.invalidate_cache()


@contextmanager
def _create_local(path: Path) -> Iterator[BinaryIO]:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename in a local folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(url: str, data: bytes) -> None:
    """Write a whole file at once (see `create`)."""
    with create(url) as file:
        file.write(data)


def names(url: str) -> list[str]:
    """Return the sorted names in a folder; a folder that is absent has none.

    Names that begin with a dot are temporary or private, and are left out.
    """
    fs, path = split(url)
    fs.invalidate_cache()
    try:
        entries = fs.ls(path, detail=False)
    except FileNotFoundError:
        return []
    found = {str(entry).rstrip("/").rsplit("/", 1)[-1] for entry in entries}
    return sorted(name for name in found if name and not name.startswith("."))


def glob(pattern: str) -> list[str]:
    """Return the sorted files that match a path or URL pattern."""
    fs, path = split(pattern)
    local = local_path(pattern)
    if not _is_pattern(pattern):
        with _reaching(pattern):
            is_file = local.is_file() if local is not None else fs.isfile(path)
        return [pattern] if is_file else []
    with _reaching(pattern):
        found = [str(entry) for entry in fs.glob(path) if fs.isfile(entry)]
    scheme = pattern.split("://", 1)[0] + "://" if "://" in pattern else ""
    # Of a web server fsspec gives whole URLs, of other stores what stands behind the scheme.
    return sorted(entry if entry.startswith(scheme) else scheme + entry for entry in found)


def _is_pattern(url: str) -> bool:
    """Tell whether a path or URL is a pattern; in a web address "?" begins a query."""
    return any(mark in url for mark in ("*" if _is_web(url) else "*?["))


def _is_web(url: str) -> bool:
    return url.startswith(("http://", "https://"))


def files(pattern: str) -> list[str]:
    """Return the sorted files that match a pattern; a folder stands for all files below it.

    Of a folder, names that begin with a dot are left out, and what lies in folders named so.
    """
    found = glob(pattern)
    # A web server has no folders, only pages that look like some.
    if found or _is_pattern(pattern) or _is_web(pattern):
        return found
    below = glob(join(pattern, "**"))
    start = len(pattern.rstrip("/"))
    return [url for url in below if "/." not in url[start:]]


def link(source: str, target: str) -> None:
    """Make `target` the same file as `source` without copying where the storage can.

    Both lie in one DATA folder: a hard link locally, a server-side copy on an object store.
    """
    local_source, local_target = local_path(source), local_path(target)
    if local_source is None or local_target is None:
        fs, path = split(source)
        fs.cp_file(path, split(target)[1])
        return
    with _needing_room(target):
        _link_local(local_source, local_target)


def _link_local(local_source: Path, local_target: Path) -> None:
    local_target.parent.mkdir(parents=True, exist_ok=True)
    temporary = local_target.with_name(f".{local_target.name}.{os.getpid()}.tmp")
    with suppress(FileNotFoundError):
        temporary.unlink()
    try:
        temporary.hardlink_to(local_source)
    except OSError as error:
        # Some file systems have no hard links (exFAT, some network mounts).
        if error.errno not in (errno.EPERM, errno.EXDEV, errno.ENOTSUP, errno.EMLINK):
            raise
        shutil.copyfile(local_source, temporary)
    temporary.replace(local_target)
    # Where the target is this very file already, rename(2) does nothing.
    temporary.unlink(missing_ok=True)


def remove(url: str) -> None:
    """Remove a file, or a folder with all it holds; nothing happens when it is absent."""
    local = local_path(url)
    if local is not None:
        if local.is_dir():
            shutil.rmtree(local)
        else:
            local.unlink(missing_ok=True)
        return
    fs, path = split(url)
    if fs.exists(path):
        fs.rm(path, recursive=True)
        fs.invalidate_cache()
