"""Download one file over HTTP: resumed, checked, and under its name only when it is whole.

Bytes are gathered in NAME.part. A later call goes on where it ends; without a checksum it does so
only if the server says that the file is still the same (If-Range with the time that the server gave
it, which is kept as the time of NAME.part).
"""

import email.utils
import errno
import hashlib
import http.client
import os
import re
import shutil
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path

from corpus.progress import Progress

USER_AGENT = "gristmill/0.1 (corpus fetch; one connection)"

_CHUNK_BYTES = 1 << 18
_TIMEOUT_SECONDS = 60
_MAX_ATTEMPTS = 6
"""Without progress, before a download is given up."""
_MAX_UNREACHED = 3
"""Attempts at a server of which nothing has been heard."""
_MAX_WAIT_SECONDS = 60.0
_PROGRESS_BYTES = 1 << 20
"""So many bytes count as progress: a server that cuts each connection early is given up too."""
_ROOM_BYTES = 1 << 20
_TAIL_BYTES = 64 << 20
_PASSING = (408, 425, 429, 500, 502, 503, 504)
"""Answers after which it is worth trying again."""


_FAILED = (ConnectionError, TimeoutError, ssl.SSLError, http.client.HTTPException)


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """One file to download."""

    url: str
    name: str
    """In the folder that it is put into."""
    num_bytes: int | None = None
    """Where the source says so."""
    digests: dict[str, str] = field(default_factory=dict)
    """Algorithm (md5, sha1, sha256) -> hexadecimal digest, where the source says so."""
    is_etag_md5: bool = False
    """Whether an etag of 32 hexadecimal digits is the md5 (object stores, single uploads)."""


class DownloadError(ValueError):
    """A file cannot be had; the message says why and what to do."""

    def __init__(self, message: str, *, kind: str) -> None:
        """Say why: missing, unreachable, no_room, wrong or other."""
        super().__init__(message)
        self.kind = kind


class _Again(Exception):  # noqa: N818  (no error: it is handled here)
    """The attempt did not get to the end, but another one may."""

    def __init__(self, why: str, *, wait_seconds: float = 0, is_unreached: bool = False) -> None:
        super().__init__(why)
        self.wait_seconds, self.is_unreached = wait_seconds, is_unreached


def fetch(wanted: Wanted, folder: Path, *, wait: Callable[[float], None] = time.sleep) -> Path:
    """Download a file into a folder, unless it is there.

    Args:
        wanted: what.
        folder: made if it is absent.
        wait: sleeps for so many seconds between attempts.

    Returns:
        Its path.

    Raises:
        DownloadError: it cannot be downloaded or is not what was promised. What was downloaded
            stays in NAME.part, unless it is wrong.
    """
    if wanted.name in ("", ".", "..") or "/" in wanted.name:
        raise ValueError(f"{wanted.url}: {wanted.name!r} is no file name")
    path = folder / wanted.name
    if path.exists():
        _check(path, wanted, etag="", is_new=False)
        return path
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{wanted.name}.part"
    was_resumed = part.exists() and part.stat().st_size > 0
    etag = _gather(wanted, part, wait)
    try:
        _check(part, wanted, etag=etag, is_new=True)
    except DownloadError:
        part.unlink()
        if not was_resumed:
            raise
        # The part may have been of another file: one download from the beginning decides.
        etag = _gather(wanted, part, wait)
        try:
            _check(part, wanted, etag=etag, is_new=True)
        except DownloadError:
            part.unlink()
            raise
    part.replace(path)
    return path


def text(
    url: str, *, wait: Callable[[float], None] = time.sleep, max_bytes: int = 64 << 20
) -> bytes:
    """Return what a small file at a URL holds.

    Raises:
        DownloadError: it cannot be read or is larger than `max_bytes`.
    """
    attempt = 0
    while True:
        try:
            with _open(url, {}) as answer:
                data = _read(answer, max_bytes + 1)
        except _Again as error:
            attempt += 1
            _wait_or_give_up(url, error, attempt, wait)
            continue
        if len(data) > max_bytes:
            raise DownloadError(
                f"{url}: larger than {max_bytes:,} bytes, so not what was looked for", kind="wrong"
            )
        return data


def _gather(wanted: Wanted, part: Path, wait: Callable[[float], None]) -> str:
    """Download until all bytes are in the part; return the server's etag."""
    attempt = 0
    with Progress(wanted.name, total=wanted.num_bytes or 0, unit="B") as progress:
        while True:
            before = part.stat().st_size if part.exists() else 0
            try:
                return _attempt(wanted, part, progress)
            except _Again as error:
                after = part.stat().st_size if part.exists() else 0
                attempt = 1 if after - before >= _PROGRESS_BYTES else attempt + 1
                _wait_or_give_up(wanted.url, error, attempt, wait)


def _wait_or_give_up(url: str, error: _Again, attempt: int, wait: Callable[[float], None]) -> None:
    most = _MAX_UNREACHED if error.is_unreached else _MAX_ATTEMPTS
    if attempt >= most:
        cure = (
            "check the network and the address, or name another --mirror"
            if error.is_unreached
            else "give the same command again: it goes on from here"
        )
        kind = "unreachable" if error.is_unreached else "other"
        raise DownloadError(f"{url}: {error} (tried {attempt} times); {cure}", kind=kind) from error
    wait(min(_MAX_WAIT_SECONDS, max(error.wait_seconds, 2.0 ** (attempt - 1))))


def _attempt(wanted: Wanted, part: Path, progress: Progress) -> str:
    have = part.stat().st_size if part.exists() else 0
    headers = {}
    if have:
        headers["Range"] = f"bytes={have}-"
        if not wanted.digests:
            stamp = email.utils.formatdate(part.stat().st_mtime, usegmt=True)
            headers["If-Range"] = stamp
    with _open(wanted.url, headers) as answer:
        etag = (answer.headers.get("ETag") or "").strip('"')
        if answer.status == 416:
            # Nothing behind what is there: it is all there, or of another file.
            if _total(answer.headers) != have:
                part.unlink()
                raise _Again("the server has another file now")
            return etag
        start, total = _range(answer, have)
        progress.total = total or 0
        if start == 0 and have:
            have = 0  # the server sends everything, because it cannot or must not go on
        _check_room(part, (total or 0) - have, wanted)
        stamp = _seconds(answer.headers.get("Last-Modified"))
        with _needing_room(part), part.open("ab" if have else "wb") as file:
            try:
                while data := _read(answer, _CHUNK_BYTES):
                    file.write(data)
                    have += len(data)
                    progress.update(have)
                file.flush()
                os.fsync(file.fileno())
            finally:
                # Also when stopped: the time tells the next call's If-Range which file this is.
                with suppress(OSError):
                    file.flush()
                    if stamp is not None:
                        os.utime(part, (stamp, stamp))
        if total is not None and have < total:
            raise _Again(f"the connection ended after {have:,} of {total:,} bytes")
        return etag


@contextmanager
def _open(url: str, headers: dict[str, str]) -> Iterator[http.client.HTTPResponse]:
    """Ask for a URL; an answer of 416 is returned, other errors raise."""
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"{url}: not an http or https address")
    request = urllib.request.Request(
        url, headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **headers}
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:
            yield answer
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416:
                yield error  # pyright: ignore[reportReturnType]  (it is a response too)
                return
            if error.code in _PASSING:
                seconds = error.headers.get("Retry-After", "")
                wait_seconds = float(seconds) if seconds.isdigit() else 0
                raise _Again(f"{error.code} {error.reason}", wait_seconds=wait_seconds) from error
            right = " and the right to read it" if error.code in (401, 403) else ""
            kind = "missing" if error.code in (404, 410) else "other"
            raise DownloadError(
                f"{url}: {error.code} {error.reason}; check the address{right}", kind=kind
            ) from error
    except urllib.error.URLError as error:
        raise _Again(f"cannot be reached: {error.reason}", is_unreached=True) from error
    except _FAILED as error:
        raise _Again(f"the connection failed: {error or type(error).__name__}") from error


def _seconds(date: str | None) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(date).timestamp() if date else None
    except ValueError:
        return None


def _read(answer: http.client.HTTPResponse, size: int) -> bytes:
    try:
        return answer.read(size)
    except _FAILED as error:
        raise _Again(f"the connection failed: {error}") from error


def _total(headers: Message) -> int | None:
    found = re.fullmatch(r"bytes (?:\d+-\d+|\*)/(\d+)", headers.get("Content-Range", ""))
    return int(found[1]) if found else None


def _range(answer: http.client.HTTPResponse, have: int) -> tuple[int, int | None]:
    """Return where the answer's bytes begin in the file, and how long the file is."""
    if answer.status == 206:
        found = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
        if not found or int(found[1]) != have:
            raise DownloadError(
                f"{answer.url}: the server answers with bytes that were not asked for", kind="other"
            )
        return have, _total(answer.headers)
    length = answer.headers.get("Content-Length")
    return 0, int(length) if length is not None else None


def _check_room(part: Path, num_bytes: int, wanted: Wanted) -> None:
    free = shutil.disk_usage(part.parent).free
    if num_bytes > free - _ROOM_BYTES:
        raise DownloadError(
            f"{part.parent}: no room for {wanted.name}: {num_bytes:,} bytes to go, {free:,} free; "
            "free some, or choose another folder with --to",
            kind="no_room",
        )


@contextmanager
def _needing_room(part: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise DownloadError(
            f"{part}: no room to write it ({error.strerror}); free some, and give the same command "
            "again: it goes on from here",
            kind="no_room",
        ) from error


def _check(path: Path, wanted: Wanted, *, etag: str, is_new: bool) -> None:
    """Check size, digests and the end of a file.

    Raises:
        DownloadError: it is not what was promised.
    """
    size = path.stat().st_size
    wrong = ""
    digests = dict(wanted.digests)
    if wanted.is_etag_md5 and re.fullmatch("[0-9a-f]{32}", etag):
        digests.setdefault("md5", etag)
    if wanted.num_bytes not in (None, size):
        wrong = f"{size:,} bytes, should be {wanted.num_bytes:,}"
    for algorithm, expected in digests.items():
        with path.open("rb") as file:
            found = hashlib.file_digest(file, algorithm).hexdigest()
        if not wrong and found != expected.lower():
            wrong = f"{algorithm} {found}, should be {expected}"
    if not wrong and not digests and wanted.name.endswith(".gz") and not last_member_is_whole(path):
        wrong = "its last gzip member is not whole"
    if wrong:
        where, cure = (wanted.url, "it was removed") if is_new else (path, "remove it")
        raise DownloadError(f"{where}: {wrong}; {cure}; try again", kind="wrong")


def last_member_is_whole(path: Path) -> bool:
    """Tell whether a gz file ends where a member ends, as far as its last 64 MB tell."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _TAIL_BYTES))
        tail = file.read()
    at = len(tail)
    while (at := tail.rfind(b"\x1f\x8b\x08", 0, at)) >= 0:
        inflate = zlib.decompressobj(wbits=31)
        try:
            data = tail[at:]
            while data and not inflate.eof:
                inflate.decompress(data, _CHUNK_BYTES)
                data = inflate.unconsumed_tail
        except zlib.error:
            continue  # these bytes stand inside a member
        if inflate.eof:
            return not inflate.unused_data.strip(b"\0")
        # Either the last member, cut; or bytes that only look like one: those fail or end early.
    return size > _TAIL_BYTES
