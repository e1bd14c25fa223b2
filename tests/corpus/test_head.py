"""`head` shows the rows that are asked for as text."""

import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from corpus import head
from corpus.__main__ import main
from corpus.shards import ShardSet


@pytest.fixture(scope="module")
def shards(unbroken) -> ShardSet:
    return ShardSet.open(str(unbroken.data))


def test_head_shows_what_is_unknown_and_nothing_that_we_put_around(shards, tmp_path):
    skipped = shutil.ignore_patterns("work")
    folder = Path(shutil.copytree(shards.url, tmp_path / "set", ignore=skipped))
    (shard,) = shards.select(source="wiki", subset="train", row_length=32)
    path = folder / f"{shard.name}.arrow"
    table = pa.ipc.open_file(pa.BufferReader(path.read_bytes())).read_all()
    rows = table.to_pylist()
    rows[0]["input_ids"][2] = 1
    with pa.ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(pa.Table.from_pylist(rows, schema=table.schema))
    (shown,) = [line for line in head.head(str(folder), num_rows=1) if line[0] == "["][:1]
    assert "[UNK]" in shown
    everything = "\n".join(head.head(str(folder), num_rows=50))
    assert not any(name in everything for name in ("[PAD]", "[CLS]", "[SEP]"))


@pytest.mark.parametrize("number", ["0", "-2"])
def test_head_refuses_fewer_than_one_row(shards, command, number):
    done = command("corpus", "head", shards.url, "--rows", number)
    assert done.returncode == 2
    assert done.stderr == f"error: --rows must be at least 1, got {number}\n"


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ([], "wiki-train-32-00000"),
        (["--row-length", "64"], "wiki-train-64-00000"),
        (["--subset", "held_out"], "wiki-held_out-32-00000"),
        (["--source", "wiki", "--subset", "held_out", "--row-length", "64"],
         "wiki-held_out-64-00000"),
    ],
)  # fmt: skip
def test_rows_of_the_source_subset_and_length_are_shown(shards, capsys, options, name):
    assert main(["head", shards.url, "--rows", "2", *options]) == 0
    heads = [line for line in capsys.readouterr().out.splitlines() if line.startswith("---")]
    assert heads == [f"--- {name} row 0", f"--- {name} row 1"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--source", "books"], "no train rows of 32 tokens from source 'books'; sources: wiki"),
        (["--subset", "test"], "no test rows of 32 tokens from source 'wiki'"),
        (["--row-length", "512"], "no train rows of 512 tokens from source 'wiki'"),
    ],
)
def test_what_there_is_is_said_where_no_such_rows_are(shards, capsys, options, said):
    assert main(["head", shards.url, *options]) == 2
    assert said in capsys.readouterr().err


def test_a_set_without_rows_has_none_to_choose(unbroken, capsys):
    (documents,) = unbroken.data.glob("documents/*")
    assert main(["head", str(documents), "--rows", "1"]) == 0
    assert "Article" in capsys.readouterr().out
    assert main(["head", str(documents), "--source", "wiki"]) == 2
    assert "leave --source, --subset and --row-length out" in capsys.readouterr().err
