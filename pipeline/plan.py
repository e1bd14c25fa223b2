"""From the recipe's paths to splits: which bytes of which raw file one worker reads.

Every raw file is read once here for its digest, its kind and the places where it can be cut; the
answer is cached by size and modification time (or etag). Splits follow from the file's content
alone, and are ordered by source and digest, never by path or listing.
"""

import hashlib
import itertools
import json
import logging
from collections.abc import Iterator, Sequence
from typing import Any

from corpus import identity, storage
from corpus.progress import Progress
from pipeline.readers import READERS, section
from pipeline.recipe import Source
from pipeline.split import RawFile, Split, cut, group

log = logging.getLogger(__name__)

_CHUNK_BYTES = 1 << 20
_SMALL_BYTES = 4 << 20
"""Below this a file may share a split with others of its source."""
_GROUP_BYTES = 16 << 20
PLAN_VERSION = 3
"""Of forms and cuts; raise it when what is remembered of a raw file has to be found anew."""


def find(sources: Sequence[Source]) -> list[tuple[Source, str]]:
    """Expand the patterns of all sources; a folder stands for all files below it.

    Raises:
        ValueError: a pattern matches nothing.
    """
    found: list[tuple[Source, str]] = []
    for source in sources:
        for pattern in source.paths:
            urls = READERS[source.kind].find(pattern)
            if not urls:
                raise ValueError(
                    f"source {source.name!r}: {pattern}: no such file; check `paths` of the corpus "
                    "recipe, or DUMP on the command line"
                )
            found.extend((source, url) for url in urls)
    return found


def raw_files(
    found: Sequence[tuple[Source, str]], *, data: str
) -> tuple[list[RawFile], dict[str, Any]]:
    """Check and digest raw files; what an earlier plan of this DATA folder knows is not read again.

    Returns:
        The files, sorted by (source, digest), and what `remember` keeps of them.

    Raises:
        ValueError: a file is no dump or truncated, or the same content stands there twice.
            Nothing has been written by then.
    """
    cache = _read_cache(data)
    files: list[RawFile] = []
    fresh: dict[str, Any] = {}
    total = sum(storage.size(url) for _, url in found)
    with Progress("plan", total=total, unit="B") as progress:
        for source, url in found:
            key, stamp = f"{PLAN_VERSION} {source.kind} {url}", _stamp(url)
            known = cache.get(key)
            if known is None or known["stamp"] != stamp:
                known = {"stamp": stamp, **_read(source, url, progress, sum_bytes(files))}
            fresh[key] = known = _checked(known, source, url)
            files.append(
                RawFile(
                    source=source.name,
                    kind=source.kind,
                    url=url,
                    num_bytes=known["num_bytes"],
                    sha256=known["sha256"],
                    form=known["form"],
                    cuts=tuple(known["cuts"]),
                )
            )
    files = sorted(_without_twins(files), key=lambda file: (file.source, file.sha256))
    return files, {**cache, **fresh}


def remember(known: dict[str, Any], *, data: str) -> None:
    """Keep the digests of raw files, so that they are read once."""
    if known != _read_cache(data):
        storage.write_bytes(_cache_path(data), identity.pretty(known))


def known_paths(data: str) -> dict[str, str]:
    """Return where the raw files were seen last that earlier plans of a DATA folder read.

    Returns:
        sha256 -> path or URL.
    """
    return {
        known["sha256"]: key.split(" ", 2)[2] for key, known in sorted(_read_cache(data).items())
    }


def sum_bytes(files: Sequence[RawFile]) -> int:
    """Return the size of all files together."""
    return sum(file.num_bytes for file in files)


def splits(files: Sequence[RawFile]) -> list[Split]:
    """Cut raw files into splits, and group small ones: by source, then by content."""
    result: list[Split] = []
    for _, of_source in itertools.groupby(files, key=lambda file: file.source):
        small: list[RawFile] = []
        for file in of_source:
            if READERS[file.kind].is_grouped and file.num_bytes < _SMALL_BYTES:
                small.append(file)
            else:
                result.extend(cut(file))
        if small:
            result.extend(group(small, group_bytes=_GROUP_BYTES))
    return result


def _without_twins(files: Sequence[RawFile]) -> list[RawFile]:
    """Leave out what stands there twice, where that is no mistake of the recipe's.

    Raises:
        ValueError: a large file, such as a dump, is named twice.
    """
    seen: dict[tuple[str, str], RawFile] = {}
    num_twins = 0
    for file in files:
        first = seen.setdefault((file.source, file.sha256), file)
        if first is file:
            continue
        if not READERS[file.kind].is_grouped:
            raise ValueError(
                f"{file.url} and {first.url} of source {file.source!r} are the same file; "
                "name it once"
            )
        num_twins += 1
    if num_twins:
        log.warning("plan: %s files equal another one, and are left out", f"{num_twins:,}")
    return list(seen.values())


def _cache_path(data: str) -> str:
    return storage.join(data, "digests.json")


def _read_cache(data: str) -> dict[str, Any]:
    try:
        known = json.loads(storage.read_bytes(_cache_path(data)))
    except (FileNotFoundError, json.JSONDecodeError, UnicodeDecodeError):
        return {}
    return known if isinstance(known, dict) else {}


def _stamp(url: str) -> list[Any]:
    """Return what tells a changed file: size and modification time, or the store's etag."""
    local = storage.local_path(url)
    if local is not None:
        status = local.stat()
        return [status.st_size, status.st_mtime_ns]
    fs, path = storage.split(url)
    info = fs.info(path)
    for name in ("ETag", "etag", "md5Hash", "LastModified", "mtime", "updated"):
        if info.get(name):
            return [info.get("size"), str(info[name])]
    return [info.get("size"), None]


def _checked(known: dict[str, Any], source: Source, url: str) -> dict[str, Any]:
    """Check a raw file against the recipe, unless it has been checked against the same one."""
    check = READERS[source.kind].check
    if check is None:
        return known
    own = section(source)
    mark = identity.fingerprint(own)
    if known.get("checked") != mark:
        check(url, known["form"], own)
    return {**known, "checked": mark}


def _read(source: Source, url: str, progress: Progress, before: int) -> dict[str, Any]:
    """Read one raw file through: digest, kind and cuts."""
    hasher = hashlib.sha256()
    num_bytes = 0

    def chunks() -> Iterator[bytes]:
        nonlocal num_bytes
        with storage.open_read(url) as file:
            while chunk := file.read(_CHUNK_BYTES):
                hasher.update(chunk)
                num_bytes += len(chunk)
                progress.update(before + num_bytes)
                yield chunk

    reader = READERS[source.kind]
    form = reader.form(url)
    cuts = reader.cuts(url, form, chunks(), storage.size(url))
    return {
        "num_bytes": num_bytes,
        "sha256": hasher.hexdigest(),
        "form": form,
        "cuts": cuts,
    }
