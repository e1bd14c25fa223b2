"""A process that is killed while it forgets leaves one whole set in use, and again completes it."""

import os
import subprocess
import sys

import pytest

from corpus import check
from corpus.identity import show_id
from corpus.shards import ShardSet
from pipeline.__main__ import main

# Forgets a document in copies of a DATA folder, and dies just before the n-th file takes its name
# or a set goes, as a kill -9 would have it: at every sixth file of the new set, and all behind it.
_DIE = """
import os, shutil, signal, sys
from pathlib import Path
from pipeline.forgetting import forget

def forget_and_die(copy, number):
    count = 0
    def hook(event, arguments):
        nonlocal count
        # Of the old set's files, once its manifest is gone, one is like the other.
        if event == "os.rename" or (event == "os.remove" and "manifest" in str(arguments[0])):
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)
            count += 1
    sys.addaudithook(hook)
    forget.answer("test", {identifier: ""}, data=str(copy), reason="", is_dry=False, is_purge=True,
                  show=lambda line: None)
    return count

data, target, identifier = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])

def run(number):
    copy = target / f"{number:03d}"
    shutil.copytree(data, copy, copy_function=os.link)  # no file is ever changed in place
    child = os.fork()
    if not child:
        os._exit(forget_and_die(copy, number))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

total = run(999)
for number in [*range(0, total - 5, 6), *range(total - 5, total)]:
    assert run(number) == -signal.SIGKILL
"""


@pytest.mark.slow
def test_killed_at_any_file_the_old_set_is_in_use_or_the_new_and_again_completes_it(
    unbroken, tmp_path, shard_digests
):
    data = unbroken.copy(tmp_path / "data")
    old = ShardSet.open(str(data))
    (shard,) = old.select(source="wiki", subset="train", row_length=64)
    gone = old.documents(shard)["id"][0].as_py()
    ids = tmp_path / "ids.txt"
    ids.write_text(show_id(gone))
    again = ["forget", "--recipe", str(unbroken.recipe), "--ids", str(ids), "--purge", "--data"]
    killed = tmp_path / "killed"
    killed.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", _DIE, str(data), str(killed), str(gone)],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    assert not done.stdout + done.stderr
    *cut, whole = sorted(killed.iterdir())
    assert len(cut) > 8
    expected = shard_digests(whole)
    new_id = ShardSet.open(str(whole)).id
    found = [ShardSet.open(str(copy)).id for copy in cut]
    assert found == sorted(found, key=[old.id, new_id].index)
    assert set(found) == {old.id, new_id}
    for copy in cut:
        assert list(check.damage(ShardSet.open(str(copy)).url)) == []
        assert main([*again, str(copy)]) == 0
        assert shard_digests(copy) == expected
        assert not list(copy.rglob(".*.tmp"))
