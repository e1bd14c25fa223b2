"""DATA and the raw files on an object store: the same sets, the same commands.

The store is moto, a server on this machine. A user of a store that is not Amazon's sets the same
variables, which s3fs takes from the environment:

    AWS_ENDPOINT_URL        where the store answers; left out for Amazon's own
    AWS_ACCESS_KEY_ID       who we are, with AWS_SECRET_ACCESS_KEY; or a profile in ~/.aws, or the
                            machine's role
    AWS_DEFAULT_REGION      where the store wants one
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest

from corpus import sets, storage
from corpus.__main__ import main as corpus
from corpus.shards import ShardSet
from pipeline.__main__ import main as pipeline

BUCKET = "text"
DATA = f"s3://{BUCKET}/some folder/data"


@pytest.fixture(scope="module")
def store(s3_bucket) -> Iterator[fsspec.AbstractFileSystem]:
    """Return an empty bucket's file system; this process and its children find it."""
    with s3_bucket(BUCKET) as fs:
        yield fs


@pytest.fixture(scope="module")
def recipe(store, unbroken, write_recipe, tmp_path_factory) -> Path:
    """Return a recipe whose dumps lie in the bucket, under other names than at home."""
    for number, dump in enumerate(unbroken.dumps):
        store.pipe_file(f"{BUCKET}/raw/{9 - number}.bz2", dump.read_bytes())
    path = tmp_path_factory.mktemp("s3") / "recipe.toml"
    return write_recipe(path, [f"s3://{BUCKET}/raw/*.bz2"], row_lengths="32, 64")


@pytest.fixture(scope="module")
def made(recipe, command) -> str:
    """Return what the run said that made all sets in the bucket."""
    done = command("pipeline", "shards", "--recipe", recipe, "--data", DATA, "--workers", "1")
    assert done.returncode == 0, done.stderr
    return done.stdout


def objects(fs: fsspec.AbstractFileSystem, url: str = DATA) -> dict[str, bytes]:
    """Return all objects below a URL by their names there."""
    prefix = url.removeprefix("s3://") + "/"
    fs.invalidate_cache()
    return {path.removeprefix(prefix): fs.cat_file(path) for path in fs.find(prefix)}


@pytest.mark.slow
def test_every_object_is_the_file_that_a_local_run_makes(store, made, unbroken):
    assert made.count(": made: s3://") == 6
    found = objects(store)
    del found["digests.json"]
    local = {name: (unbroken.data / name).read_bytes() for name in unbroken.digests}
    # The lock is gone with the run, and nothing temporary was ever there.
    assert sorted(found) == sorted(local)
    assert found == local


def test_a_second_run_is_up_to_date(store, made, recipe, capsys):
    before = objects(store)
    assert pipeline(["shards", "--recipe", str(recipe), "--data", DATA]) == 0
    said = capsys.readouterr().out
    assert said.count("up to date: s3://") == 6
    assert objects(store) == before


def test_looking_at_sets(store, made, capsys):
    assert corpus(["list", "--data", DATA]) == 0
    said = capsys.readouterr().out
    assert said.count(" finished ") == 6
    assert "unfinished" not in said
    for stage, name in sets.read_corpus(DATA, "test").items():
        url = sets.folder(DATA, stage, name)
        assert corpus(["verify", url]) == 0
        assert capsys.readouterr().out.startswith(f"{url}: whole")
        if stage in ("documents", "shards"):
            assert corpus(["head", url, "--rows", "1"]) == 0
            assert "Article" in capsys.readouterr().out
    assert pipeline(["report", "--recipe", "demo", "--data", DATA]) == 2
    assert corpus(["gc", "--data", DATA]) == 0
    assert "0 sets" in capsys.readouterr().out


def test_rows_are_read_from_the_store(made, unbroken):
    there, here = ShardSet.open(DATA), ShardSet.open(str(unbroken.data))
    assert there.digest == here.digest
    assert there.tokenizer_files() == here.tokenizer_files()
    for subset in ("train", "held_out"):
        far = there.rows("wiki", subset, 64, verify_digests=True)
        near = here.rows("wiki", subset, 64)
        every = np.arange(near.num_rows)
        assert far.num_rows == near.num_rows
        for name in ("input_ids", "piece_ends", "piece_rows", "piece_documents", "targets"):
            assert np.array_equal(getattr(far.take(every), name), getattr(near.take(every), name))


def test_damage_is_named_and_only_its_part_is_made_again(store, made, recipe, capsys):
    (name,) = (
        set_id for stage, set_id in sets.read_corpus(DATA, "test").items() if stage == "measures"
    )
    url = sets.folder(DATA, "measures", name)
    before = objects(store, url)
    first, second = [path for path in sorted(before) if path.endswith(".parquet")][:2]
    storage.write_bytes(storage.join(url, first), before[first][:-1] + b"x")
    storage.remove(storage.join(url, second))
    assert corpus(["verify", url]) == 1
    said = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[0] for line in said] == [f"{url}/{first}", f"{url}/{second}"]
    storage.remove(storage.join(url, sets.MANIFEST))
    assert pipeline(["measures", "--recipe", str(recipe), "--data", DATA]) == 0
    assert objects(store, url) == before


def test_a_dump_more_costs_only_itself(store, made, recipe, unbroken, make_dump, tmp_path, capsys):
    make_dump(tmp_path / "10.xml", num_articles=3, seed=10)
    store.put_file(str(tmp_path / "10.xml"), f"{BUCKET}/more/10.xml")
    other = tmp_path / "more.toml"
    other.write_text(
        recipe.read_text()
        .replace('name = "test"', 'name = "more"')
        .replace('*.bz2"]', f'*.bz2", "s3://{BUCKET}/more/*"]')
    )
    assert pipeline(["documents", "--recipe", str(other), "--data", DATA]) == 0
    new = sets.read_corpus(DATA, "more")["documents"]
    assert new != sets.read_corpus(DATA, "test")["documents"]
    assert (
        len(sets.read_manifest(sets.folder(DATA, "documents", new)).parts)
        == len(unbroken.dumps) + 1
    )
    store.rm(f"{BUCKET}/some folder/data/corpora/more.json")
    capsys.readouterr()
    assert corpus(["gc", "--data", DATA, "--delete"]) == 0
    assert capsys.readouterr().out.startswith(f"{sets.folder(DATA, 'documents', new)}: ")
    assert corpus(["gc", "--data", DATA, "--delete"]) == 0
    assert capsys.readouterr().out.startswith("0 sets")
    assert "documents" in sets.read_corpus(DATA, "test")


def test_a_lock_is_respected_unless_its_owner_is_dead(store, made, recipe, capsys):
    lock = storage.join(DATA, ".lock")

    def second_run(owner: dict[str, object]) -> tuple[int, str]:
        storage.write_bytes(lock, json.dumps(owner).encode())
        capsys.readouterr()
        status = pipeline(["documents", "--recipe", str(recipe), "--data", DATA])
        return status, capsys.readouterr().err

    elsewhere = {"command": "pipeline shards", "host": "another", "pid": 7}
    status, said = second_run(elsewhere)
    assert status == 2
    assert "in use by `pipeline shards` (process 7 on another)" in said
    assert f"remove {lock}" in said
    assert json.loads(storage.read_bytes(lock)) == elsewhere
    here = {"command": "pipeline shards", "host": socket.gethostname()}
    status, said = second_run({**here, "pid": os.getppid()})
    assert status == 2
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    status, said = second_run({**here, "pid": dead.pid})
    assert (status, said) == (0, "")
    assert not storage.exists(lock)


@pytest.mark.parametrize(
    ("data", "hint"),
    [("s3://no-such-bucket/data", "check"), ("s3://no-such-bucket", "check")],
)
def test_a_bucket_that_is_not_there(made, recipe, capsys, data, hint):
    assert pipeline(["documents", "--recipe", str(recipe), "--data", data]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {data}")
    assert hint in line


def test_raw_files_that_are_not_there(made, write_recipe, tmp_path, capsys):
    for url in (f"s3://{BUCKET}/raw/none.bz2", "s3://no-such-bucket/*.bz2"):
        recipe = write_recipe(tmp_path / "recipe.toml", [url])
        assert pipeline(["documents", "--recipe", str(recipe), "--data", DATA]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert url in line


@pytest.mark.slow
@pytest.mark.parametrize("without", ["AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"])
def test_a_store_that_does_not_let_us_in(made, recipe, command, tmp_path, without):
    env = dict.fromkeys(without.split(), "")
    env |= {"HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
    if "AWS_ENDPOINT_URL" in env:
        env["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9"  # the port of the discard service
    done = command("pipeline", "documents", "--recipe", recipe, "--data", DATA, env=env)
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: s3://")
    assert "cannot be reached" in line
    assert "credentials" in line
