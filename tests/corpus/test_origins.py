"""A row tells its documents and a document its rows, from the shard set alone."""

import shutil

import numpy as np
import pytest

from corpus import identity, origins
from corpus.__main__ import main
from corpus.shards import ShardSet


@pytest.fixture(scope="module")
def shards(unbroken, tmp_path_factory) -> ShardSet:
    # Alone in a folder: nothing beside the set is there to be read.
    made = ShardSet.open(str(unbroken.data))
    folder = tmp_path_factory.mktemp("alone") / "set"
    shutil.copytree(made.url, folder, ignore=shutil.ignore_patterns("work"))
    return ShardSet.open(str(folder))


def test_every_piece_of_every_row_is_traced_to_its_document(shards):
    for length in shards.row_lengths:
        rows = shards.rows("wiki", "train", length)
        batch = rows.take(np.arange(rows.num_rows))
        found = []
        for number in range(rows.num_rows):
            shard, row = origins.find_row(
                shards, number, name=None, source="wiki", subset="train", row_length=length
            )
            found += [
                (number, origin.end, origin.document, origin.key)
                for origin in origins.row(shards, shard, row, token=None)
            ]
        assert [(row, end, document) for row, end, document, _ in found] == list(
            zip(
                batch.piece_rows.tolist(),
                batch.piece_ends.tolist(),
                batch.piece_documents.tolist(),
                strict=True,
            )
        )
        # The key is the document's own: its id is the hash of source and key.
        assert all(identity.document_id("wiki", key) == document for _, _, document, key in found)


def test_a_document_is_found_by_id_key_or_title_in_every_row_length(shards):
    (shard, *_) = shards.select(source="wiki", subset="train", row_length=64)
    row = shards.documents(shard).to_pylist()[0]
    found = origins.document(shards, identity.show_id(row["id"]))
    assert {int(origin.shard.split("-")[2]) for origin in found} == {32, 64}
    tokens = sum(origin.end - origin.begin for origin in found if origin.shard == shard.name)
    assert tokens == row["num_tokens"]
    for what in (
        row["key"],
        row["title"],
        f"wiki:{row['key']}",
        identity.show_id(row["id"]).upper(),
    ):
        assert origins.document(shards, what) == found
    for origin in found:
        (home,) = [one for one in shards.shards if one.name == origin.shard]
        assert origin in origins.row(shards, home, origin.row, token=origin.begin)


def test_a_token_is_traced_to_the_piece_it_stands_in(shards):
    (shard, *_) = shards.select(source="wiki", subset="train", row_length=64)
    whole = origins.row(shards, shard, 0, token=None)
    for origin in whole:
        for token in (origin.begin, origin.end - 1):
            assert origins.row(shards, shard, 0, token=token) == [origin]
    with pytest.raises(ValueError, match="is no text"):
        origins.row(shards, shard, 0, token=64)


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    status = main(arguments)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_the_commands(shards, capsys):
    status, out, _ = run(capsys, "trace", shards.url, "--row", "3", "--row-length", "64")
    assert status == 0
    assert out.splitlines()[0].split() == [
        "shard", "row", "tokens", "document", "source", "key", "title", "url"
    ]  # fmt: skip
    name = shards.shards[0].name
    status, out, _ = run(capsys, "trace", shards.url, "--shard", name, "--row", "0", "--token", "1")
    assert status == 0
    assert out.splitlines()[2].startswith(f"{name}    0")
    key = out.splitlines()[2].split()[5]
    again = run(
        capsys, "trace", shards.url, "--shard", f"{name}.arrow", "--row", "0", "--token", "1"
    )
    assert again == (0, out, "")
    status, out, _ = run(capsys, "trace", shards.url, "--document", key)
    assert status == 0
    assert name in out
    subset = shards.shards[0].subset
    status, out, _ = run(capsys, "head", shards.url, "--rows", "2", "--subset", subset)
    assert status == 0
    assert f"--- {name} row 1" in out
    assert "river" in run(capsys, "head", shards.url, "--rows", "200")[1]
    status, out, _ = run(capsys, "verify", shards.url)
    assert status == 0, out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--row", "0"], "several row lengths; say --row-length: 32, 64"),
        (["--row", "100000", "--row-length", "64"], "row 100000 is not one of 0 to"),
        (["--row", "-1", "--row-length", "64"], "row -1 is not one of 0 to"),
        (["--row", "0", "--row-length", "65"], "no train rows of 65 tokens"),
        (["--row", "0", "--source", "news", "--row-length", "64"], "from source 'news'"),
        (["--row", "0", "--shard", "x"], "no shard 'x'; there are: wiki-held_out-32-00000"),
        (["--document", "x", "--token", "3"], "--token says which row; --document shows all of"),
        (["--document", ""], "no document has the id, key, address or title"),
        (["--document", "No such page"], "no document has the id, key, address or title"),
    ],
)
def test_what_is_not_there_is_an_error_that_says_so(shards, capsys, arguments, message):
    status, _, error = run(capsys, "trace", shards.url, *arguments)
    assert status == 2
    assert message in error


def test_only_shards_are_traced(unbroken, capsys):
    (url,) = (unbroken.data / "fates").glob("*")
    status, _, error = run(capsys, "trace", str(url), "--row", "0")
    assert (status, "not shards" in error) == (2, True)
