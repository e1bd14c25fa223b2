"""Real input of every kind: the same shards for any workers, file order, and after kill -9.

`make bench OPTIONS="-k real_runs"` prints the sha256 of every shard. Where the real data lies
beside the checkout (tests/conftest.py), else skipped.
"""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.readers import READERS
from pipeline.stages import FOLDERS

pytestmark = pytest.mark.bench
_PATIENCE_SECONDS = 600

# name, kind, paths below the real data, further lines
_SOURCES = (
    ("enwiki", "wikipedia", ["wikipedia/enwiki-p10-shortened.xml.bz2"], ""),
    ("nlwiki", "wikipedia", ["wikipedia/nlwiki-20140927-sample.xml"], 'language = "nl"'),
    (
        "ltgwiki",
        "wikipedia",
        ["wikipedia/ltgwiki-complete-pages-articles.xml"],
        'language = "ltg"\nlanguage_id = "trust"',
    ),
    ("books", "books", ["books/gitenberg", "books/classic_books_markdown"], ""),
    ("news", "warc", ["warc/built-ccnews-like-scrapinghub.warc.gz", "warc/dolma"], ""),
    ("manuals", "dataset", ["bench/000.jsonl.zst", "bench/001.jsonl.zst"], ""),
)


def write_recipe(path: Path, real_data: Path, *, shuffled: bool = False) -> Path:
    """Write a recipe over the real files; `shuffled` names each file, in another order."""
    lines = ['name = "real"']
    for name, kind, places, more in _SOURCES:
        if kind not in READERS:
            continue
        paths = [real_data / place for place in places]
        if shuffled:
            paths = [
                file
                for place in paths
                for file in (place.rglob("*") if place.is_dir() else [place])
            ]
            paths = [file for file in paths if file.is_file()]
            random.Random(7).shuffle(paths)
        listed = ", ".join(f'"{place}"' for place in paths)
        lines.append(f'[[source]]\nname = "{name}"\nkind = "{kind}"\npaths = [{listed}]\n{more}')
    lines.append("[fates]\nheld_out = 0.05\n[tokenizer]\nvocabulary = 4096\nsample_mb = 8")
    path.write_text("\n\n".join(lines) + "\n[shards]\nrow_lengths = [128, 512]\n")
    return path


def digests(data: Path) -> dict[str, str]:
    return {
        str(path.relative_to(data)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(data.rglob("*"))
        if path.is_file() and not path.name.startswith(".") and path.name != "digests.json"
    }


def start(recipe: Path, data: Path, *options: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", "shards", "--recipe", recipe, "--data", data, *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def finish(recipe: Path, data: Path, *options: str) -> float:
    begin = time.perf_counter()
    process = start(recipe, data, *options)
    _, stderr = process.communicate(timeout=_PATIENCE_SECONDS)
    assert process.returncode == 0, stderr.decode()[-2000:]
    return time.perf_counter() - begin


def killed_within(stage: str, recipe: Path, whole: Path, data: Path, options: Sequence[str]) -> int:
    """Copy a finished DATA folder without a stage and those behind it, and kill -9 its run there.

    Returns:
        How many receipts the stage had when it was killed.
    """
    later = list(FOLDERS.values())[list(FOLDERS.values()).index(stage) :]
    shutil.copytree(whole, data, ignore=lambda _, names: {*later, "corpora"} & set(names))
    process = start(recipe, data, *options)
    end = time.monotonic() + _PATIENCE_SECONDS
    folder = data / stage
    # A tokenizer is one part, so its first file must do.
    sign = "tokenizer.json" if stage == "tokenizers" else "receipts/*.json"
    while not list(folder.rglob(sign)):
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return len(list(folder.rglob("receipts/*.json")))


def test_real_runs_give_the_same_bytes(real_data, tmp_path):
    recipe = write_recipe(tmp_path / "real.toml", real_data)
    other = write_recipe(tmp_path / "shuffled.toml", real_data, shuffled=True)
    seconds = finish(recipe, tmp_path / "one", "--workers", "1")
    expected = digests(tmp_path / "one")
    shards = {
        n: sha
        for n, sha in expected.items()
        if n.endswith(".arrow") and "work" not in Path(n).parts
    }
    print(f"\n1 worker in memory: {seconds:.0f} s, {len(expected)} files")
    for name, sha in shards.items():
        print(f"  {sha}  {name}")
    seconds = finish(recipe, tmp_path / "two", "--workers", "2")
    assert digests(tmp_path / "two") == expected
    print(f"2 worker processes: {seconds:.0f} s, all {len(expected)} files equal")
    seconds = finish(other, tmp_path / "shuffled", "--workers", "2")
    assert digests(tmp_path / "shuffled") == expected
    print(f"files named one by one in another order: {seconds:.0f} s, all equal")
    finish(recipe, tmp_path / "one")
    assert digests(tmp_path / "one") == expected
    print("a second pass: nothing changed")
    for stage in FOLDERS.values():
        data = tmp_path / f"killed in {stage}"
        done = killed_within(stage, recipe, tmp_path / "one", data, ["--workers", "2"])
        finish(recipe, data, "--workers", "2")
        assert digests(data) == expected
        print(f"kill -9 within {stage} (after {done} receipts), run again: all equal")
        shutil.rmtree(data)
