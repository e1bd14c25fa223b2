"""What changes is made again, and nothing else: the whole data pipeline, run as a user would."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from corpus import keep, sets
from corpus.shards import ShardSet


@pytest.fixture(scope="module")
def world(tmp_path_factory, make_dump, write_recipe, command):
    """A finished corpus over one dump, and how to run stages on it."""
    folder = tmp_path_factory.mktemp("reuse")
    make_dump(folder / "one.xml.bz2", num_articles=30, seed=1)
    make_dump(folder / "two.xml", num_articles=12, seed=2)
    recipe = write_recipe(folder / "recipe.toml", [folder / "one.xml.bz2"])

    def run(stage: str, recipe: Path = recipe) -> str:
        done = command("pipeline", stage, "--recipe", recipe, "--data", folder / "data")
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("shards")
    return folder, run


def made(output: str) -> list[str]:
    return [line.split(":")[0] for line in output.splitlines() if ": made:" in line]


def inodes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in folder.rglob("*") if path.is_file()}


def test_a_finished_corpus_is_up_to_date(world):
    _, run = world
    output = run("shards")
    assert made(output) == []
    assert output.count("up to date") == 6


def test_every_document_has_one_fate_and_one_place(world):
    folder, _ = world
    pointers = sets.read_corpus(str(folder / "data"), "test")
    documents = sets.read_manifest(str(folder / "data/documents" / pointers["documents"]))
    counts = documents.counts
    # 30 articles, three copies and stubs; the redirect and the talk page are skipped.
    assert counts["num_records"] == 35
    assert counts["num_documents"] == 33
    assert counts["num_skipped_redirect"] == counts["num_skipped_namespace"] == 1
    fates = pq.read_table(
        next((folder / "data/fates" / pointers["fates"]).glob("*.parquet"))
    ).to_pylist()
    by_rule = {row["rule"] for row in fates}
    assert by_rule == {None, "min_words", "exact_duplicate", "near_duplicate"}
    for row in fates:
        assert (row["verdict"] == "kept") == (row["rule"] is None) == (row["subset"] is not None)
    survivors = {row["survivor"] for row in fates if row["survivor"]}
    kept = {row["id"] for row in fates if row["verdict"] == "kept"}
    assert survivors <= kept

    shards = ShardSet.open(str(folder / "data"))
    seen = {}
    for subset in ("train", "held_out"):
        rows = shards.rows("wiki", subset, 64, verify_digests=True)
        batch = rows.take(np.arange(rows.num_rows))
        seen[subset] = set(batch.piece_documents.tolist())
        assert (batch.targets is None) == (subset == "train")
    assert not seen["train"] & seen["held_out"]
    assert seen["train"] | seen["held_out"] == kept


def test_the_rows_decode_to_the_kept_text(world):
    from tokenizers import Tokenizer

    folder, _ = world
    shards = ShardSet.open(str(folder / "data"))
    tokenizer = Tokenizer.from_str(shards.tokenizer_files()["tokenizer.json"].decode())
    pointers = sets.read_corpus(str(folder / "data"), "test")
    texts = {
        row["id"]: row["text"]
        for path in (folder / "data/documents" / pointers["documents"]).glob("*.parquet")
        for row in pq.read_table(path, columns=["id", "text"]).to_pylist()
    }
    rebuilt: dict[int, list[str]] = {}
    for subset in ("train", "held_out"):
        rows = shards.rows("wiki", subset, 64)
        batch = rows.take(np.arange(rows.num_rows))
        begin, last = 0, -1
        for end, row, document in zip(
            batch.piece_ends, batch.piece_rows, batch.piece_documents, strict=True
        ):
            begin = 0 if row != last else begin
            ids = batch.input_ids[row, begin:end].tolist()
            assert (ids[0], ids[-1]) == (shards.cls_id, shards.sep_id)
            rebuilt.setdefault(int(document), []).append(tokenizer.decode(ids[1:-1]))
            begin, last = int(end), int(row)
    for document, pieces in rebuilt.items():
        text = texts[document]
        assert all(piece in text for piece in pieces)
        assert sorted("".join(pieces)) == sorted(text)


def test_a_second_dump_costs_only_itself(world, write_recipe):
    folder, run = world
    before = inodes(folder / "data/documents") | inodes(folder / "data/measures")
    recipe = write_recipe(folder / "both.toml", [folder / "one.xml.bz2", folder / "two.xml"])
    output = run("measures", recipe)
    assert made(output) == ["documents", "measures"]
    after = inodes(folder / "data/documents") | inodes(folder / "data/measures")
    for name, inode in before.items():
        if name.endswith(".parquet"):
            assert after[name] == inode, f"{name} was made again"


def test_a_second_source_leaves_the_shards_of_the_first(world, write_recipe):
    folder, run = world
    pinned = folder / "pinned"
    pointers = sets.read_corpus(str(folder / "data"), "test")
    shutil.copytree(folder / "data/tokenizers" / pointers["tokenizers"], pinned, dirs_exist_ok=True)
    (pinned / "manifest.json").unlink()
    one = write_recipe(
        folder / "pin1.toml", [folder / "one.xml.bz2"], tokenizer=f'path = "{pinned}"'
    )
    run("shards", one)
    first = sets.read_corpus(str(folder / "data"), "test")
    source = f'\n[[source]]\nname = "other"\nkind = "wikipedia"\npaths = ["{folder}/two.xml"]\n'
    two = write_recipe(
        folder / "pin2.toml",
        [folder / "one.xml.bz2"],
        tokenizer=f'path = "{pinned}"',
        extra=source,
    )
    run("shards", two)
    second = sets.read_corpus(str(folder / "data"), "test")
    # The pinned tokenizer is the same set whatever the corpus, byte for byte.
    assert first["tokenizers"] == second["tokenizers"]
    stored = folder / "data/tokenizers" / first["tokenizers"] / "tokenizer.json"
    assert stored.read_bytes() == (pinned / "tokenizer.json").read_bytes()
    old = inodes(folder / "data/shards" / first["shards"])
    new = inodes(folder / "data/shards" / second["shards"])
    shards = [name for name in old if name.startswith("wiki-") and name.endswith(".arrow")]
    assert len(shards) > 2
    assert {name: new[name] for name in shards} == {name: old[name] for name in shards}
    assert any(name.startswith("other-") for name in new)


def test_a_threshold_redoes_fates_and_what_depends_on_them(world, write_recipe):
    folder, run = world
    run("shards")
    pointers = sets.read_corpus(str(folder / "data"), "test")
    same = {"documents", "measures", "matches"}
    for threshold, redone in ((0.85, []), (1.0, ["matches"])):
        # Above 0.9 giant buckets must be compared otherwise (similar.cover).
        stricter = write_recipe(
            folder / "strict.toml", [folder / "one.xml.bz2"], near_duplicate=threshold
        )
        assert made(run("shards", stricter)) == [*redone, "fates", "tokenizer", "shards"]
        after = sets.read_corpus(str(folder / "data"), "test")
        left = {stage for stage in pointers if pointers[stage] == after[stage]}
        assert left == same - set(redone)
    # Documents stay on their side of the split.
    sides = []
    for set_id in (pointers["fates"], after["fates"]):
        rows = [
            row
            for path in (folder / "data/fates" / set_id).glob("*.parquet")
            for row in pq.read_table(path, columns=["id", "subset"]).to_pylist()
        ]
        sides.append({row["id"]: row["subset"] for row in rows if row["subset"]})
    common = sides[0].keys() & sides[1].keys()
    assert {key: sides[0][key] for key in common} == {key: sides[1][key] for key in common}
    assert len(sides[1]) == len(sides[0]) + 1


def test_a_row_length_costs_no_text_stage(world, write_recipe):
    folder, run = world
    run("shards")
    longer = write_recipe(folder / "longer.toml", [folder / "one.xml.bz2"], row_lengths="64, 128")
    assert made(run("shards", longer)) == ["shards"]
    assert ShardSet.open(str(folder / "data")).row_lengths == [64, 128]


def test_gc_keeps_what_a_corpus_points_at_and_list_shows_it(world, command):
    folder, run = world
    run("shards")
    data = str(folder / "data")
    listed = command("corpus", "list", "--data", data)
    assert listed.returncode == 0
    assert "test" in listed.stdout
    shown = command("corpus", "gc", "--data", data)
    assert "would be removed" in shown.stdout
    before = {kept.url for kept in keep.survey(data)}
    gone = {kept.url for kept in keep.prunable(data)}
    assert gone
    assert command("corpus", "gc", "--data", data, "--delete").returncode == 0
    assert {kept.url for kept in keep.survey(data)} == before - gone
    assert made(run("shards")) == []
    shards = ShardSet.open(data)
    assert command("corpus", "verify", shards.url).returncode == 0
    head = command("corpus", "head", shards.url, "--rows", "1")
    assert "[Article " in head.stdout


def test_a_manifest_tells_no_path_time_or_machine(world):
    folder, _ = world
    for path in (folder / "data").rglob("manifest.json"):
        text = path.read_text()
        assert str(folder) not in text
        assert "host" not in json.loads(text)


def test_a_changed_licence_is_in_the_card_and_costs_no_text_stage(world, write_recipe):
    folder, run = world
    run("shards")
    before = sets.read_corpus(str(folder / "data"), "test")
    recipe = write_recipe(folder / "licence.toml", [folder / "one.xml.bz2"])
    recipe.write_text(
        recipe.read_text().replace('kind = "wiki', 'licence = "CC0-1.0"\nkind = "wiki')
    )
    assert made(run("shards", recipe)) == ["shards"]
    after = sets.read_corpus(str(folder / "data"), "test")
    assert {stage for stage in before if before[stage] != after[stage]} == {"shards"}
    url = folder / "data/shards" / after["shards"]
    assert "CC0-1.0" in (url / "README.md").read_text()
    old = inodes(folder / "data/shards" / before["shards"])
    new = inodes(url)
    assert all(new[name] == old[name] for name in old if name.endswith(".arrow"))


def test_verify_finds_a_damaged_tokenizer_and_rows_refuse_it(world, command, tmp_path):
    folder, run = world
    run("shards")
    pointers = sets.read_corpus(str(folder / "data"), "test")
    copy = tmp_path / "set"
    shutil.copytree(folder / "data/shards" / pointers["shards"], copy)
    path = copy / "tokenizer" / "tokenizer.json"
    path.write_bytes(path.read_bytes().replace(b"[MASK]", b"[MUSK]"))
    done = command("corpus", "verify", copy)
    assert done.returncode == 1
    assert "tokenizer.json: sha256" in done.stdout
    with pytest.raises(ValueError, match="not the tokenizer that these rows were encoded with"):
        ShardSet.open(str(copy)).tokenizer_files()


def test_gc_keeps_the_parents_of_a_set_in_use(world, write_recipe, tmp_path):
    folder, run = world
    run("shards")
    data = folder / "data"
    before = sets.read_corpus(str(data), "test")
    stricter = write_recipe(tmp_path / "strict.toml", [folder / "one.xml.bz2"], near_duplicate=0.9)
    run("fates", stricter)  # the shards still pointed at were made from other fates
    after = sets.read_corpus(str(data), "test")
    assert after["fates"] != before["fates"]
    assert after["shards"] == before["shards"]
    kept = {(kept.stage, kept.id): kept.used_by for kept in keep.survey(str(data))}
    assert kept["fates", before["fates"]] == ("a parent",)
    assert not {before["fates"], after["fates"]} & {kept.id for kept in keep.prunable(str(data))}


def test_a_corpus_of_which_nothing_is_left_is_refused_with_the_reasons(
    world, write_recipe, command, tmp_path
):
    folder, _ = world
    recipe = write_recipe(tmp_path / "r.toml", [folder / "two.xml"], rules="min_words = 100000")
    done = command("pipeline", "shards", "--recipe", recipe, "--data", tmp_path / "data")
    assert done.returncode == 2
    assert "no document is left to train on (wiki dropped min_words: 15" in done.stderr
    assert not (tmp_path / "data" / "shards").exists()
