"""Whatever a manifest says that follows from its identity and files is held against these."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from corpus import bins, check, fact_check, identity, repair, sets, shard_check
from corpus.shards import ShardSet, table_bytes

PART = "wiki-train-64-00000"
OWN = "wiki train 64"


@pytest.fixture(scope="module")
def shards(unbroken) -> ShardSet:
    return ShardSet.open(str(unbroken.data))


@pytest.fixture
def folder(shards, tmp_path) -> Path:
    skipped = shutil.ignore_patterns("work")
    return Path(shutil.copytree(shards.url, tmp_path / "set", ignore=skipped))


def edit(folder: Path, change: Callable[[dict], object], *, receipts: bool) -> list[str]:
    """Change a manifest, and where asked for the receipts too; return what `verify` says."""
    path = folder / sets.MANIFEST
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))
    if receipts:
        for part in sets.read_manifest(str(folder)).parts:
            sets.commit_part(str(folder), part)
    return list(check.damage(str(folder)))


def part_of(manifest: dict, name: str = PART) -> dict:
    return next(part for part in manifest["parts"] if part["name"] == name)


def count(name: str, number: int) -> Callable[[dict], object]:
    """Raise a count, in its part and in the sum."""

    def change(manifest: dict) -> None:
        for counts in (part_of(manifest)["counts"], manifest["counts"]):
            counts[f"{name} {OWN}"] = counts.get(f"{name} {OWN}", 0) + number

    return change


def drop(*names: str) -> Callable[[dict], object]:
    """Leave parts out, and mend the sums."""

    def change(manifest: dict) -> None:
        gone = [part_of(manifest, name) for name in names]
        manifest["parts"] = [part for part in manifest["parts"] if part not in gone]
        for part in gone:
            for key in part["counts"]:
                del manifest["counts"][key]

    return change


FACTS: dict[str, tuple[Callable[[dict], object], str]] = {
    "packing": (lambda m: m["facts"].update(packing="concat"), "facts.packing is 'concat'"),
    "one piece a row": (
        lambda m: m["facts"].update(packing="doc"),
        "has more than 1 pieces (packing doc)",
    ),
    "row lengths": (
        lambda m: m["facts"].update(row_lengths=[64]),
        "facts.row_lengths is [64], should be [32, 64]",
    ),
    "licences": (
        lambda m: m["facts"].update(licences={"wiki": "MIT"}),
        "facts.licences is {'wiki': 'MIT'}, should be {'wiki': ",
    ),
    "no licences": (lambda m: m["facts"].pop("licences"), "facts.licences is None, should be"),
    "fill": (lambda m: m["facts"]["fill"].update({"wiki 64": 2.0}), "facts.fill.wiki 64 is 2.0"),
    "another fill": (lambda m: m["facts"]["fill"].update({"a 64": 1}), "facts.fill is {"),
    "unigram entropy": (
        lambda m: m["facts"]["unigram_entropy_nats"].update({"wiki 32": 9.5}),
        "facts.unigram_entropy_nats.wiki 32 is 9.5, should be ",
    ),
    "bigram entropy": (
        lambda m: m["facts"]["bigram_entropy_nats"].update({"wiki 32": 9.5}),
        "facts.bigram_entropy_nats.wiki 32 is 9.5, should be ",
    ),
    "bigram entropy of a part": (
        lambda m: part_of(m)["facts"].update(bigram_entropy_nats=1.0),
        f"{PART}: facts.bigram_entropy_nats is 1.0, should be ",
    ),
    "documents that came in": (
        lambda m: m["facts"]["fates"].update({"num_documents wiki in": 7}),
        "facts.fates.num_documents wiki in is 7, should be ",
    ),
    "documents that were kept": (
        lambda m: m["facts"]["fates"].update({"num_documents wiki kept train": 1}),
        "facts.fates.num_documents wiki kept train is 1, in rows of 32 tokens are ",
    ),
    "shard format": (
        lambda m: m["facts"].update(shard_format=3),
        "facts.shard_format is 3, should be 2",
    ),
    "segmenter": (
        lambda m: part_of(m)["facts"].update(segmenter="icu 1.0"),
        f"parts.{PART}.facts.segmenter is 'icu 1.0', should be None",
    ),
    "no encoder": (lambda m: m["facts"].update(encoder="gigatoken"), "facts.encoder is no table"),
    "no record of what was forgotten": (
        lambda m: m["facts"].update(forgotten=None),
        "facts.forgotten is no table",
    ),
    "a record of what was forgotten": (
        lambda m: m["facts"].update(forgotten={"shards": {PART: {"files": {"a": "b"}}}}),
        "facts.forgotten is no table",
    ),
    "kept without a subset": (
        lambda m: m["facts"]["fates"].update({"num_documents wiki kept": 7}),
        "facts.fates is no table",
    ),
    "a source": (
        lambda m: m["facts"]["fates"].update({"num_documents books in": 0}),
        "facts.fates has 'books', which is no source of the identity",
    ),
    "fates": (lambda m: m["facts"].pop("fates"), "facts.fates is no table of counts"),
    "encoder": (
        lambda m: m["facts"]["encoder"].update(version="0"),
        "facts.encoder.version is '0', should be ",
    ),
    "forgotten": (
        lambda m: m["facts"].update(forgotten={"set": "0", "shards": {}}),
        "facts.forgotten.set is '0', should be None",
    ),
    "source of a part": (
        lambda m: part_of(m)["facts"].update(source="x"),
        f"parts.{PART}.facts.source is 'x', should be 'wiki'",
    ),
    "subset of a part": (
        lambda m: part_of(m, "wiki-held_out-64-00000")["facts"].update(subset="train"),
        "facts.subset is 'train', should be 'held_out'",
    ),
    "no number": (
        lambda m: part_of(m)["facts"].update(bigram_entropy_nats=None),
        f"parts.{PART}.facts.bigram_entropy_nats is None, should be a number",
    ),
    "rows": (count("num_rows", 1), f"counts.num_rows {OWN} is "),
    "pieces": (count("num_pieces", 5), f"{PART}: num_pieces is "),
    "cuts": (count("num_sentence_cuts", 5), f"parts.{PART}.counts: "),
    "a count": (count("num_hats", 5), f"names what is no count of such a shard: num_hats {OWN}"),
    "a part": (drop(PART), f"parts lack {PART}, which facts.fates and the identity ask for"),
    "a bin of all row lengths": (
        drop(PART, "wiki-train-32-00000"),
        "parts lack wiki-train-32-00000, which facts.fates and the identity ask for",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fact", FACTS)
def test_a_changed_fact_is_named_even_where_the_receipts_agree(folder, fact):
    change, expected = FACTS[fact]
    found = edit(folder, change, receipts=True)
    assert any(expected in line for line in found), found


def test_a_part_that_does_not_belong_here_is_named(folder):
    name = PART.replace("00000", "00001")

    def change(manifest: dict) -> None:
        part = part_of(manifest)
        files = {key.replace(PART, name): file for key, file in part["files"].items()}
        part.update(name=name, files=files)

    for path in folder.glob(f"{PART}.*"):
        path.rename(folder / path.name.replace(PART, name))
    found = edit(folder, change, receipts=True)
    assert any(f"parts name {name}, which facts.fates" in line for line in found), found


def test_manifest_and_receipts_are_compared_key_by_key(folder):
    found = edit(folder, count("num_word_cuts", -1), receipts=False)
    place = f"by {folder}/receipts/"
    (line,) = (line for line in found if place in line)
    assert f"the manifest's parts.{PART}.counts.num_word_cuts {OWN} is " in line
    found = edit(folder, drop(PART), receipts=False)
    assert any("the receipt of a part that the manifest does not name" in line for line in found)


def test_receipts_that_are_gone_are_named_and_repaired(shards, folder):
    before = {path.name: path.read_bytes() for path in (folder / "receipts").iterdir()}
    first, second, *_ = sorted(folder.glob("receipts/*"))
    first.unlink()
    second.write_bytes(b"{")
    found = list(check.damage(str(folder)))
    assert [line.split(", ")[0] for line in found] in (
        [f"{first}: missing", f"{second}: damaged"],
        [f"{second}: damaged", f"{first}: missing"],
    )
    assert sorted(repair.repair(str(folder), shards.url)) == [
        f"receipts/{first.name}",
        f"receipts/{second.name}",
    ]
    assert {path.name: path.read_bytes() for path in (folder / "receipts").iterdir()} == before
    shutil.copy(first, second)
    value = json.loads(first.read_text())
    value["facts"]["num_rows"] = 1
    first.write_text(json.dumps(value))
    with pytest.raises(ValueError, match=f"{first.name}: says otherwise than the manifest"):
        list(repair.repair(str(folder), shards.url))


def test_a_file_that_a_pattern_would_take_for_rows_is_named(folder):
    stray = folder / "wiki-train-64-00001.arrow"
    shutil.copy(folder / f"{PART}.arrow", stray)
    assert list(check.damage(str(folder))) == [f"{stray}: a file that the manifest does not name"]


def test_documents_that_other_rows_of_the_bin_lack_are_named(shards, folder):
    # All digests fit: only the same documents in rows of another length tell.
    (shard,) = (shard for shard in shards.shards if shard.name == PART)
    table = shards.documents(shard)
    named = sorted(
        (identity.document_id("wiki", f"not {key}"), f"not {key}")
        for key in table["key"].to_pylist()
    )
    ids, keys = zip(*named, strict=True)
    other = table.set_column(0, table.schema.field("id"), pa.array(ids, pa.uint64()))
    other = other.set_column(1, table.schema.field("key"), pa.array(keys))
    path = folder / f"{PART}.documents.arrow"
    path.write_bytes(table_bytes(other))
    file = sets.digest_file(str(path))

    def change(manifest: dict) -> None:
        part = part_of(manifest)
        part["facts"]["row_digest"] = shard_check.row_digest(shards.table(shard), other)
        part["files"][path.name] = {"num_bytes": file.num_bytes, "sha256": file.sha256}

    assert edit(folder, change, receipts=True) == [
        f"{folder}/{PART}: its documents are not those of wiki-train-32-00000, which holds the "
        "same bin"
    ]


def test_documents_of_another_bin_are_named(shards):
    (shard,) = (shard for shard in shards.shards if shard.name == PART)
    facts = shards.manifest.facts
    many = {**facts["fates"], "num_bytes wiki kept train": 100_000_000}
    manifest = replace(shards.manifest, facts={**facts, "fates": many})
    documents, counts = shards.documents(shard), shards.shard_unigram(shard)
    mine = documents.filter(bins.bins_of(documents["id"].to_numpy(), num=2, seed=0) == 0)
    num_others = documents.num_rows - mine.num_rows
    assert 0 < num_others < documents.num_rows
    assert list(fact_check.Gathered(manifest).add(PART, mine, counts)) == []
    assert list(fact_check.Gathered(manifest).add(PART, documents, counts)) == [
        f"{num_others} of its documents belong into other bins by their ids"
    ]


def test_ids_that_are_not_those_of_the_keys_are_named(shards):
    (shard,) = (shard for shard in shards.shards if shard.name == PART)
    table, counts = shards.documents(shard), shards.shard_unigram(shard)
    keys = ["another", *table["key"].to_pylist()[1:]]
    other = table.set_column(1, table.schema.field("key"), pa.array(keys))
    found = fact_check.Gathered(shards.manifest).add(PART, other, counts)
    assert list(found) == ["document 0 and 0 more have other ids than their keys'"]


def test_a_document_lies_in_the_bin_of_its_id():
    ids = np.arange(1000, dtype=np.uint64) << np.uint64(40)
    found = bins.bins_of(ids, num=7, seed=3)
    assert [bins.bin_of(number, num=7, seed=3) for number in ids.tolist()] == found.tolist()
    assert set(found.tolist()) == set(range(7))
