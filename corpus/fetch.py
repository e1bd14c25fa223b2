"""What `python -m corpus fetch` downloads: dumps of Wikipedia, CC-News, Gutenberg, or any URL.

One connection, one file after another, nothing twice. The addresses below are the public ones;
`--mirror` names another with the same folders.
"""

import csv
import gzip
import json
import re
import time
import urllib.parse
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from corpus import download, storage
from corpus.download import DownloadError, Wanted

MIRRORS = {
    "wikipedia": "https://dumps.wikimedia.org",
    "cc-news": "https://data.commoncrawl.org",
    "gutenberg": "https://www.gutenberg.org",
}

_JOB = "articlesmultistreamdump"
_NUM_DATES = 6
"""Dumps that are looked at to find the latest finished one."""


def all_of(
    wanted: Sequence[Wanted],
    folder: str,
    *,
    pause_seconds: float = 0,
    wait: Callable[[float], None] = time.sleep,
) -> Iterable[Path]:
    """Download files one after another; those that cannot be had are named at the end.

    Raises:
        ValueError: some could not be downloaded, or there is no such folder.
    """
    target = storage.local_path(folder)
    if target is None:
        raise ValueError(f"{folder}: fetch writes to a local folder; copy it from there")
    names = [one.name for one in wanted]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two files are called {name!r}; fetch them into folders of their own")
    failed: list[str] = []
    for number, one in enumerate(wanted):
        is_there = (target / one.name).exists()
        if number and pause_seconds and not is_there:
            wait(pause_seconds)
        try:
            yield download.fetch(one, target, wait=wait)
        except DownloadError as error:
            if error.kind in ("unreachable", "no_room"):
                raise  # the next one would fare no better
            failed.append(str(error))
    if failed:
        rest = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        raise ValueError(f"{failed[0]}{rest}")


def urls(addresses: Sequence[str], *, sha256: Sequence[str] = ()) -> list[Wanted]:
    """Return what stands at some addresses.

    Raises:
        ValueError: an address names no file, or there are not as many digests.
    """
    if sha256 and len(sha256) != len(addresses):
        raise ValueError(
            f"{len(addresses)} addresses but {len(sha256)} --sha256; give one for each"
        )
    found = []
    for number, url in enumerate(addresses):
        name = urllib.parse.unquote(urllib.parse.urlsplit(url).path).rsplit("/", 1)[-1]
        if not name or "://" not in url:
            raise ValueError(
                f"{url}: names no file; known are {', '.join(MIRRORS)}, or http(s)://host/.../file"
            )
        digests = {"sha256": sha256[number]} if sha256 else {}
        found.append(Wanted(url=url, name=name, digests=digests))
    return found


# --- Wikipedia ----------------------------------------------------------------------------------


def wikipedia(
    *, language: str, date: str, mirror: str, wait: Callable[[float], None] = time.sleep
) -> list[Wanted]:
    """Return the parts of a Wikipedia's multistream articles dump, with their checksums.

    Args:
        language: as in its address: en, simple, zh-yue.
        date: YYYYMMDD, or `latest` for the last one that is finished.
        mirror: where dumps lie.
        wait: sleeps between attempts.

    Raises:
        ValueError: there is no such dump, or it is not finished.
    """
    wiki = language.lower().replace("-", "_") + "wiki"
    base = f"{mirror.rstrip('/')}/{wiki}"
    if date != "latest":
        if not re.fullmatch(r"20\d{6}", date):
            raise ValueError(f"--date is YYYYMMDD or latest, got {date!r}")
        return _parts(base, wiki, date, wait)
    page = download.text(f"{base}/", wait=wait).decode("utf-8", "replace")
    dates = sorted(set(re.findall(r'href="(20\d{6})/?"', page)), reverse=True)
    problem: ValueError | None = None
    for one in dates[:_NUM_DATES]:
        try:
            return _parts(base, wiki, one, wait)
        except ValueError as error:
            if isinstance(error, DownloadError) and error.kind != "missing":
                raise
            problem = error  # begun but not finished: the one before it
    raise ValueError(
        f"{base}/: no finished dump; " + (f"the last one: {problem}" if problem else "give --date")
    ) from problem


def _parts(base: str, wiki: str, date: str, wait: Callable[[float], None]) -> list[Wanted]:
    folder = f"{base}/{date}"
    try:
        status = json.loads(download.text(f"{folder}/dumpstatus.json", wait=wait))
        files = _done(status, f"{folder}/dumpstatus.json")
    except DownloadError as error:
        if error.kind != "missing":
            raise
        files = _listed(f"{folder}/{wiki}-{date}", wait)  # mirrors leave the status out
    names = [
        name for name in files if re.search(r"-pages-articles-multistream\d*\.xml.*\.bz2$", name)
    ]
    # The whole in one file is the same again, where there are parts.
    parts = [name for name in names if re.search(r"multistream\d+\.xml", name)] or names
    if not parts:
        raise ValueError(
            f"{folder}: no pages-articles-multistream files in it; choose another date"
        )
    return [
        Wanted(
            url=f"{folder}/{name}",
            name=name,
            num_bytes=files[name].get("size"),
            digests={key: files[name][key] for key in ("sha1", "md5") if key in files[name]},
        )
        for name in sorted(parts, key=_natural)
    ]


def _natural(name: str) -> list[Any]:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def _done(status: dict[str, Any], url: str) -> dict[str, dict[str, Any]]:
    job = status.get("jobs", {}).get(_JOB)
    if job is None or job.get("status") != "done":
        state = "missing" if job is None else job.get("status")
        raise ValueError(f"{url}: the articles are not finished ({state}); choose an earlier date")
    return job["files"]


def _listed(prefix: str, wait: Callable[[float], None]) -> dict[str, dict[str, Any]]:
    """Return the files that the checksum lists name."""
    files: dict[str, dict[str, Any]] = {}
    for algorithm in ("sha1", "md5"):
        try:
            lines = download.text(f"{prefix}-{algorithm}sums.txt", wait=wait).decode()
        except DownloadError as error:
            if error.kind == "missing" and (files or algorithm == "sha1"):
                continue
            raise
        for line in lines.splitlines():
            digest, _, name = line.partition("  ")
            files.setdefault(name.strip(), {})[algorithm] = digest.strip()
    return files


# --- CC-News ------------------------------------------------------------------------------------


def cc_news(*, month: str, mirror: str, wait: Callable[[float], None] = time.sleep) -> list[Wanted]:
    """Return the WARC files of a month of CC-News. There are no checksums.

    Raises:
        ValueError: the month is none, or there is nothing for it.
    """
    if not re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", month):
        raise ValueError(f"--month is YYYY-MM, got {month!r}")
    mirror = mirror.rstrip("/")
    url = f"{mirror}/crawl-data/CC-NEWS/{month.replace('-', '/')}/warc.paths.gz"
    data = download.text(url, wait=wait)
    try:
        paths = gzip.decompress(data).decode().split()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise ValueError(f"{url}: not a list of paths: {error}; check --mirror") from error
    return [
        Wanted(url=f"{mirror}/{path}", name=path.rsplit("/", 1)[-1], is_etag_md5=True)
        for path in sorted(paths)
    ]


# --- Gutenberg ----------------------------------------------------------------------------------


def gutenberg(*, ids: Iterable[int], mirror: str) -> list[Wanted]:
    """Return the plain texts of Gutenberg's books by number."""
    mirror = mirror.rstrip("/")
    return [
        Wanted(url=f"{mirror}/cache/epub/{number}/pg{number}.txt", name=f"pg{number}.txt")
        for number in dict.fromkeys(ids)
    ]


def book_ids(text: str) -> list[int]:
    """Read numbers separated by commas.

    Raises:
        ValueError: something else stands there.
    """
    try:
        return [int(number) for number in text.split(",") if number.strip()]
    except ValueError as error:
        raise ValueError(f"--ids are numbers such as 1342,16215, got {text!r}") from error


def catalogue_ids(path: str, *, language: str) -> list[int]:
    """Return the numbers of all texts of a language in Gutenberg's catalogue (pg_catalog.csv).

    Raises:
        ValueError: it is no such file.
    """
    with Path(path).open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        if not {"Text#", "Type", "Language"} <= set(rows.fieldnames or ()):
            raise ValueError(f"{path}: not Gutenberg's catalogue (columns Text#, Type, Language)")
        return [
            int(row["Text#"])
            for row in rows
            if row["Type"] == "Text" and language in re.split(r"[;,\s]+", row["Language"] or "")
        ]
