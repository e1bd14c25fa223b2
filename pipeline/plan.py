"""From the recipe's paths to splits: which bytes of which raw file one worker reads.

Every raw file is read once here for its digest, its kind and the places where it can be cut; the
answer is cached by size and modification time (or etag). Splits follow from the file's content
alone, and are ordered by source and digest, never by path or listing.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from corpus import identity, storage
from corpus.progress import Progress
from pipeline import dump, raw_form
from pipeline.recipe import Source

_CHUNK_BYTES = 1 << 20
SPLIT_BYTES = {"bz2": 8 << 20, "xml": 64 << 20}
"""About how much of a raw file one worker reads; part of the plan's version."""
PLAN_VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class RawFile:
    """One raw file as the plan knows it."""

    source: str
    url: str
    num_bytes: int
    sha256: str
    form: str
    """bz2, gz or xml for dumps; parquet, json or arrow for dataset files."""
    cuts: tuple[int, ...]
    """Byte offsets where splits begin; the first is 0."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """The bytes from `start` to before `end` of one raw file."""

    source: str
    url: str
    sha256: str
    form: str
    start: int
    end: int
    is_last: bool


def find(sources: Sequence[Source]) -> list[tuple[Source, str]]:
    """Expand the patterns of all sources.

    Raises:
        ValueError: a pattern matches nothing.
    """
    found: list[tuple[Source, str]] = []
    for source in sources:
        for pattern in source.paths:
            urls = storage.glob(pattern)
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
            fresh[key] = known
            files.append(
                RawFile(
                    source=source.name,
                    url=url,
                    num_bytes=known["num_bytes"],
                    sha256=known["sha256"],
                    form=known["form"],
                    cuts=tuple(known["cuts"]),
                )
            )
    _refuse_twins(files)
    return sorted(files, key=lambda file: (file.source, file.sha256)), {**cache, **fresh}


def remember(known: dict[str, Any], *, data: str) -> None:
    """Keep the digests of raw files, so that they are read once."""
    if known != _read_cache(data):
        storage.write_bytes(_cache_path(data), identity.pretty(known))


def sum_bytes(files: Sequence[RawFile]) -> int:
    """Return the size of all files together."""
    return sum(file.num_bytes for file in files)


def splits(files: Sequence[RawFile]) -> list[Split]:
    """Cut raw files into splits, in the order of the files."""
    result: list[Split] = []
    for file in files:
        ends = (*file.cuts[1:], file.num_bytes)
        result.extend(
            Split(
                source=file.source,
                url=file.url,
                sha256=file.sha256,
                form=file.form,
                start=start,
                end=end,
                is_last=end == file.num_bytes,
            )
            for start, end in zip(file.cuts, ends, strict=True)
        )
    return result


def _refuse_twins(files: Sequence[RawFile]) -> None:
    seen: dict[tuple[str, str], str] = {}
    for file in files:
        key = (file.source, file.sha256)
        if key in seen:
            raise ValueError(
                f"{file.url} and {seen[key]} of source {file.source!r} are the same file; "
                "name it once"
            )
        seen[key] = file.url


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

    is_dump = source.kind != "dataset"
    form = raw_form.dump_form(url) if is_dump else raw_form.dataset_form(url)
    cuts = [0]
    if form == "bz2":
        starts = dump.stream_starts(chunks())
        cuts = _group(starts, size=SPLIT_BYTES["bz2"])
        raw_form.check_bz2_end(url, starts, num_bytes)
    elif form == "gz":
        raw_form.check_gz(url, chunks())
    else:
        for _ in chunks():
            pass
        if form == "xml":
            cuts = list(range(0, max(num_bytes, 1), SPLIT_BYTES["xml"]))
            raw_form.check_xml_end(url, num_bytes)
    return {
        "num_bytes": num_bytes,
        "sha256": hasher.hexdigest(),
        "form": form,
        "cuts": cuts,
    }


def _group(starts: list[int], *, size: int) -> list[int]:
    """Keep every start that lies at least `size` bytes behind the last one kept."""
    cuts = [0]
    for start in starts:
        if start - cuts[-1] >= size:
            cuts.append(start)
    return cuts


def to_json(split: Split) -> dict[str, Any]:
    """Return a split as plain JSON, for a part's inputs."""
    return asdict(split)
