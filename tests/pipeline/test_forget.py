"""Forgotten documents leave the shards without a trace, and do not come back."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import fsspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from corpus import check, lock, origins, sets
from corpus.identity import show_id
from corpus.shards import ShardSet
from pipeline.__main__ import main

TRAIN = ["wiki-train-32-00000", "wiki-train-64-00000"]


@pytest.fixture
def data(unbroken, tmp_path) -> Path:
    return unbroken.copy(tmp_path / "data")


@pytest.fixture
def run(unbroken, tmp_path, capsys) -> Callable[..., str]:
    """A function that forgets documents and returns what is printed."""

    def forget(data: Path | str, ids: list, *options: str, status: int = 0) -> str:
        file = tmp_path / "ids.txt"
        file.write_text("".join(f"{i if isinstance(i, str) else show_id(i)}\n" for i in ids))
        command = ["forget", "--recipe", str(unbroken.recipe), "--data", str(data)]
        capsys.readouterr()
        assert main([*command, "--ids", str(file), *options]) == status
        done = capsys.readouterr()
        return done.out + done.err

    return forget


def opened(data: Path) -> ShardSet:
    return ShardSet.open(str(data))


def documents(shards: ShardSet, subset: str = "train") -> list[dict]:
    shard = shards.select(source="wiki", subset=subset, row_length=64)[0]
    return shards.documents(shard).to_pylist()


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def texts(shards: ShardSet) -> dict[tuple[str, int], list[bytes]]:
    """Return the pieces of every document in every kind of rows, targets included."""
    found: dict[tuple[str, int], list[bytes]] = {}
    for shard in shards.shards:
        rows = shards.rows(shard.source, shard.subset, shard.row_length)
        batch = rows.take(np.arange(rows.num_rows))
        begin, before = 0, -1
        for row, end, document in zip(
            batch.piece_rows, batch.piece_ends, batch.piece_documents, strict=True
        ):
            begin = begin if row == before else 0
            piece = batch.input_ids[row, begin:end].tobytes()
            if batch.targets is not None:
                piece += batch.targets[row, begin:end].tobytes()
            found.setdefault((shard.name, int(document)), []).append(piece)
            begin, before = end, row
    return {key: sorted(pieces) for key, pieces in found.items()}


def test_nothing_of_it_is_left_and_all_else_is_as_it_was(data, run):
    old = opened(data)
    gone = [documents(old)[1], documents(old)[7]]
    ids = [document["id"] for document in gone]
    kept = {key: pieces for key, pieces in texts(old).items() if key[1] not in ids}
    said = run(data, ids, "--reason", "request 7")
    new = opened(data)
    assert new.url != old.url
    assert said.startswith(f"forgot 2 documents of corpus 'test': {new.url}\n")
    assert list(check.damage(new.url)) == []
    assert texts(new) == kept
    for name, content in tree(Path(new.url)).items():
        for document in gone:
            assert document["title"].encode() not in content, name
            assert show_id(document["id"]).encode() not in content, name
            assert document["id"].to_bytes(8, "little") not in content, name
    with pytest.raises(ValueError, match="no document has the id"):
        origins.document(new, show_id(ids[0]))
    other = documents(new)[0]
    pieces = origins.document(new, show_id(other["id"]))
    assert (
        sum(piece.end - piece.begin for piece in pieces if "-64-" in piece.shard)
        == (other["num_tokens"])
    )


def test_only_shards_in_which_it_stands_are_rewritten_and_their_digests_are_recorded(data, run):
    old = opened(data)
    run(data, [documents(old)[0]["id"]], "--reason", "request 7")
    new = opened(data)
    was, now = Path(old.url), Path(new.url)
    same = [
        name for name in tree(now) if (was / name).exists() and (was / name).samefile(now / name)
    ]
    rewritten = {f"{name}{ending}" for name in TRAIN
                 for ending in (".arrow", ".documents.arrow", ".unigram.arrow")}  # fmt: skip
    assert {name for name in tree(now) if name.count("/") == 0} - set(same) == {
        "README.md", "manifest.json", *rewritten,
    }  # fmt: skip
    record = new.manifest.facts["forgotten"]
    assert (record["set"], record["manifest"]) == (old.id, old.digest)
    assert sorted(record["shards"]) == TRAIN
    for name, one in record["shards"].items():
        for file, digests in one["files"].items():
            assert digests["old"] == sets.digest_file(f"{old.url}/{file}").sha256
            assert digests["new"] == sets.digest_file(f"{new.url}/{file}").sha256
        before, after = (
            next(shard for shard in shards.shards if shard.name == name) for shards in (old, new)
        )
        for what in ("num_documents", "num_rows", "num_tokens"):
            assert one[what] == getattr(before, what) - getattr(after, what) > 0
    assert new.manifest.identity["forgotten"]["reasons"] == {"request 7": 1}
    card = (now / "README.md").read_text()
    assert "| request 7 | 1 |" in card
    page = (Path(sets.__file__).parent / "FORMAT.md").read_text()
    for name in (*record, *next(iter(record["shards"].values())), "reasons", "old", "new"):
        assert f"`{name}`" in page


def test_in_two_steps_or_at_once_and_by_make_the_bytes_are_the_same(unbroken, tmp_path, run):
    both = unbroken.copy(tmp_path / "both")
    held_out = documents(opened(both), "held_out")[3]["id"]
    a, b, c = (documents(opened(both))[at]["id"] for at in (2, 5, 9))
    run(both, [b, a, c, held_out])
    expected = tree(Path(opened(both).url))
    steps = unbroken.copy(tmp_path / "steps")
    run(steps, [a], "--purge")
    assert len(list((steps / "shards").iterdir())) == 1, "the second step begins with its result"
    run(steps, [held_out, c])
    run(steps, [b])
    found = tree(Path(opened(steps).url))
    assert found == expected
    made = unbroken.copy(tmp_path / "made", without=["shards"])
    shutil.copytree(both / "forgotten", made / "forgotten")
    command = ["shards", "--recipe", str(unbroken.recipe), "--data", str(made), "--workers", "1"]
    assert main(command) == 0
    assert tree(Path(opened(made).url)) == expected
    assert len(list((made / "shards").iterdir())) == 1, "the set with the documents is still there"


def test_a_second_time_does_nothing(data, run, shard_digests):
    ids = [documents(opened(data))[0]["id"]]
    run(data, ids, "--purge")
    before = shard_digests(data)
    assert run(data, ids, "--reason", "another").startswith("forgot no further documents")
    assert shard_digests(data) == before


def test_a_dry_run_tells_what_would_go_and_writes_nothing(data, run, shard_digests):
    before = shard_digests(data)
    said = run(data, [documents(opened(data))[0]["id"]], "--dry-run")
    assert shard_digests(data) == before
    rows = [line.split() for line in said.splitlines() if line.startswith("wiki-")]
    assert [row[:2] for row in rows] == [[name, "1"] for name in TRAIN]
    run(data, [documents(opened(data))[0]["id"]])
    gone = opened(data).manifest.facts["forgotten"]["shards"]
    assert [(row[2], row[4]) for row in rows] == [
        (f"{gone[name]['num_rows']:,}", f"{gone[name]['num_tokens']:,}") for name in TRAIN
    ]


def test_ids_are_read_as_people_have_them(data, run):
    first, second, third = documents(opened(data))[:3]
    lines = [
        "id\tsource\tfate in A",
        f"{show_id(first['id']).upper()}\twiki\tkept",
        "",
        f"wiki:{second['key']}",
        show_id(third["id"]),
        show_id(third["id"]),
    ]
    assert run(data, lines).startswith("forgot 3 documents")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["0123456789abcdef"], "not in corpus 'test': 0123456789abcdef; nothing was forgotten"),
        (["wiki:no such key"], "not in corpus 'test': wiki:no such key; nothing was forgotten"),
        (["Article 1"], "line 1: 'Article 1' is no document id"),
        ([], "no document id in it"),
    ],
)
def test_what_is_not_there_is_named_and_nothing_is_done(data, run, shard_digests, lines, message):
    before = shard_digests(data)
    known = [show_id(documents(opened(data))[0]["id"])] if lines else []
    assert message in run(data, [*lines, *known], status=2)
    assert shard_digests(data) == before


def test_make_shards_leaves_it_out_of_other_rows_too(data, run, unbroken, tmp_path, capsys):
    gone = documents(opened(data))[4]
    run(data, [gone["id"]])
    url = opened(data).url
    recipe = tmp_path / "recipe.toml"
    command = ["shards", "--recipe", str(recipe), "--data", str(data), "--workers", "1"]
    recipe.write_text(unbroken.recipe.read_text())
    capsys.readouterr()
    assert main(command) == 0
    assert f"shards: up to date: {url}" in capsys.readouterr().out
    recipe.write_text(unbroken.recipe.read_text().replace("32, 64", "48"))
    assert main(command) == 0
    assert "forgotten documents: 1 (no reason given)" in capsys.readouterr().out
    new = opened(data)
    assert new.row_lengths == [48]
    assert gone["id"] not in new.documents(new.shards[-1])["id"].to_pylist()
    assert list(check.damage(new.url)) == []
    assert main(["why", *command[1:5], show_id(gone["id"])]) == 0
    said = capsys.readouterr().out
    assert "forgotten: no reason given" in said
    assert f"rows: none in {new.url}" in said


def test_where_the_text_still_stands_is_said_and_what_was_kept_in_its_place(data, run, unbroken):
    (fates,) = (data / "fates").iterdir()
    rows = [row for path in fates.glob("*.parquet") for row in pq.read_table(path).to_pylist()]
    copy = next(row for row in rows if row["rule"] == "exact_duplicate")
    old = opened(data).url
    said = run(data, [copy["id"]])
    assert f"  {show_id(copy['survivor'])} in place of {show_id(copy['id'])}" in said
    assert "no shard holds one of them" in said
    said = run(data, [copy["survivor"]])
    assert f"{old}: 1 documents; nothing uses it: --purge removes it" in said
    assert any(str(dump) in said for dump in unbroken.dumps)
    assert "in place of" not in said
    (data / "shards" / "0123456789abcdef").mkdir()
    said = run(data, [copy["survivor"]], "--purge")
    assert [path.name for path in (data / "shards").iterdir()] == [opened(data).id]
    assert f"removed {old}, which held 1 of them" in said


def test_a_set_that_is_read_or_that_another_corpus_uses_is_not_removed(data, run):
    old = opened(data)
    gone = documents(old)[0]["id"]
    with lock.using(old.url):
        said = run(data, [gone], "--purge")
        assert f"{old.url}: 1 documents; used by a running process" in said
    sets.point_corpus(str(data), "other", "shards", old.id)
    assert f"{old.url}: 1 documents; used by corpus 'other'" in run(data, [gone], "--purge")
    (data / "corpora" / "other.json").unlink()
    run(data, [gone], "--purge")
    assert not Path(old.url).exists()


def test_the_shards_alone_suffice(unbroken, tmp_path, run):
    others = ["documents", "measures", "matches", "fates", "tokenizers"]
    data = unbroken.copy(tmp_path / "data", without=others)
    gone = documents(opened(data))[0]["id"]
    assert run(data, [gone]).startswith("forgot 1 documents")
    assert gone not in [document["id"] for document in documents(opened(data))]
    assert "not in corpus" in run(data, ["wiki:no such key"], status=2)


def test_verify_knows_the_shards_that_were_rewritten(data, run):
    run(data, [documents(opened(data))[0]["id"]])
    folder = Path(opened(data).url)
    manifest = json.loads((folder / "manifest.json").read_text())
    file = manifest["facts"]["forgotten"]["shards"][TRAIN[0]]["files"][f"{TRAIN[0]}.arrow"]
    file["new"] = file["old"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (line,) = check.damage(str(folder))
    assert line.endswith(f"{TRAIN[0]} is not the shard that documents were taken out of")


def test_a_subset_may_be_forgotten_whole(data, run):
    ids = [document["id"] for document in documents(opened(data), "held_out")]
    run(data, ids)
    new = opened(data)
    assert list(check.damage(new.url)) == []
    assert sum(shard.num_rows for shard in new.shards if shard.subset == "held_out") == 0
    assert new.rows("wiki", "held_out", 64).num_rows == 0


@pytest.mark.parametrize("ending", [".arrow", ".documents.arrow"])
def test_readers_refuse_a_half_rewritten_set_whatever_its_sizes(data, run, ending):
    old = opened(data)
    run(data, [documents(old)[0]["id"]])
    folder = Path(opened(data).url)
    stale = f"{TRAIN[1]}{ending}"
    (folder / stale).unlink()
    shutil.copy(Path(old.url) / stale, folder / stale)
    assert any(stale in line for line in check.damage(str(folder)))
    new = ShardSet.open(str(folder))
    with pytest.raises(ValueError, match=stale):
        new.rows("wiki", "train", 64)
    # Files of both sets may well have one size.
    manifest = json.loads((folder / "manifest.json").read_text())
    (part,) = (part for part in manifest["parts"] if part["name"] == TRAIN[1])
    part["files"][stale]["num_bytes"] = (folder / stale).stat().st_size
    (folder / "manifest.json").write_text(json.dumps(manifest))
    new = ShardSet.open(str(folder))
    with pytest.raises(ValueError, match="files of another set, or half of them"):
        new.rows("wiki", "train", 64).take(np.array([0]))


def test_on_an_object_store_the_bytes_are_the_same(unbroken, data, run):
    gone = documents(opened(data))[0]["id"]
    run(data, [gone], "--purge")
    store, place = fsspec.filesystem("memory"), "memory://forget/data"
    store.put(str(unbroken.data), "/forget/data", recursive=True)
    store.rm("/forget/data/.lock")  # on a local disk it means nothing by itself
    run(place, [gone], "--purge")
    there = ShardSet.open(place)
    found = {
        path.split(there.id + "/")[1]: store.cat_file(path)
        for path in store.find(f"/forget/data/shards/{there.id}")
    }
    assert found == tree(Path(opened(data).url))
    assert [path.rsplit("/", 1)[1] for path in store.ls("/forget/data/shards", detail=False)] == [
        there.id
    ]


def test_a_damaged_shard_is_not_rewritten(data, run):
    old = opened(data)
    path = Path(old.url) / f"{TRAIN[0]}.arrow"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    said = run(data, [documents(old)[0]["id"]], status=2)
    assert f"{old.url}/{TRAIN[0]}: missing or damaged" in said
    assert opened(data).id == old.id
