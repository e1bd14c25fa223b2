"""`verify` finds whatever is wrong with a set and names it; it finds nothing wrong with ours."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from corpus import check, schemas, sets, shard_check, storage, token_ids
from corpus.shards import Shard, ShardSet

PAD, SEP = 0, 3


@pytest.fixture(scope="module")
def shards(unbroken) -> ShardSet:
    return ShardSet.open(str(unbroken.data))


@pytest.fixture(scope="module")
def copy(shards, tmp_path_factory) -> Callable[[], Path]:
    def make() -> Path:
        folder = tmp_path_factory.mktemp("set") / "set"
        shutil.copytree(shards.url, folder, ignore=shutil.ignore_patterns("work"))
        return folder

    return make


def held_out(shards: ShardSet) -> Shard:
    return shards.select(source="wiki", subset="held_out", row_length=64)[0]


def test_what_the_pipeline_writes_is_sound(shards):
    assert list(check.damage(shards.url)) == []
    assert len(shards.shards) == 4


def padded(rows: list[dict]) -> dict:
    """Return the first row that has padding."""
    return next(row for row in rows if row["pieces"][-1]["end"] < 64)


def two_pieces(rows: list[dict]) -> dict:
    return next(row for row in rows if len(row["pieces"]) > 1)


def set_id(row: dict, at: int, token: int) -> None:
    row["input_ids"][at] = token


FAULTS: dict[str, tuple[Callable[[list[dict], list[dict]], object], str]] = {
    "no pieces": (lambda rows, _: rows[0].update(pieces=[]), "row 0 has no piece"),
    "ends": (
        lambda rows, _: two_pieces(rows)["pieces"].reverse(),
        "has pieces whose ends do not ascend",
    ),
    "equal ends": (
        lambda rows, _: rows[0]["pieces"].append(rows[0]["pieces"][-1]),
        "row 0 has pieces whose ends do not ascend",
    ),
    "behind the row": (
        lambda rows, _: rows[0]["pieces"][-1].update(end=65),
        "row 0 has a piece that ends behind 64",
    ),
    "document": (
        lambda rows, documents: rows[0]["pieces"][0].update(document=len(documents)),
        "row 0 has a piece of a document that is not listed",
    ),
    "other document": (
        lambda rows, _: rows[0]["pieces"][0].update(document=rows[0]["pieces"][0]["document"] ^ 1),
        "has other than num_tokens in the rows",
    ),
    "vocabulary": (lambda rows, _: set_id(rows[0], 5, 60000), "row 0 has an id of 512 or more"),
    "early padding": (
        lambda rows, _: set_id(rows[1], 5, PAD),
        "row 1 has padding before the end of its last piece",
    ),
    "text behind the end": (
        lambda rows, _: set_id(padded(rows), 63, 100),
        "has padding before the end of its last piece, or none behind it",
    ),
    "no [CLS]": (lambda rows, _: set_id(rows[0], 0, 9), "row 0 has [CLS] or [SEP] elsewhere"),
    "a [SEP] inside": (
        lambda rows, _: set_id(rows[0], 1, SEP),
        "row 0 has [CLS] or [SEP] elsewhere",
    ),
    "token": (
        lambda rows, _: set_id(rows[0], 1, rows[0]["input_ids"][1] ^ 1),
        "the unigram counts are not those of the rows",
    ),
    "num_tokens": (
        lambda _, documents: documents[1].update(num_tokens=1),
        "document 1 has other than num_tokens in the rows",
    ),
    "order of documents": (
        lambda _, documents: documents[0].update(id=(1 << 64) - 1),
        "document 1 is out of order by its id",
    ),
    "a row less": (lambda rows, _: rows.pop(), "the manifest says"),
    "target on [CLS]": (
        lambda rows, _: rows[0]["targets"].insert(0, 0),
        "row 0 has a special token as target",
    ),
    "target outside": (
        lambda rows, _: rows[0]["targets"].append(64),
        "row 0 has a target outside",
    ),
    "targets": (
        lambda rows, _: rows[0]["targets"].reverse(),
        "row 0 has targets that do not ascend",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_rows_is_named_with_its_place(shards, fault):
    shard = held_out(shards)
    rows, documents = shards.table(shard).to_pylist(), shards.documents(shard).to_pylist()
    change, expected = FAULTS[fault]
    change(rows, documents)
    schema = schemas.shard_schema(row_length=64, vocabulary=shards.vocabulary, held_out=True)
    found = list(
        shard_check.faults(
            shards,
            shard,
            pa.Table.from_pylist(rows, schema=schema),
            pa.Table.from_pylist(documents, schema=schemas.SHARD_DOCUMENTS),
            shards.shard_unigram(shard),
        )
    )
    assert any(expected in line for line in found), found


def test_other_columns_are_named(shards):
    shard = held_out(shards)
    rows = shards.table(shard).drop_columns(["targets"])
    documents, unigram = shards.documents(shard), shards.shard_unigram(shard)
    (line,) = shard_check.faults(shards, shard, rows, documents, unigram)
    assert "the rows have columns" in line
    assert "targets" in line


def test_the_row_digest_does_not_depend_on_how_rows_are_stored(shards):
    shard = held_out(shards)
    rows, documents = shards.table(shard), shards.documents(shard)
    again = pa.Table.from_pylist(rows.to_pylist(), schema=rows.schema)
    halves = pa.concat_tables([again.slice(0, 2), again.slice(2)])
    wanted = {part.name: part.facts["row_digest"] for part in shards.manifest.parts}[shard.name]
    assert shard_check.row_digest(again, documents) == wanted
    assert shard_check.row_digest(halves, documents) == wanted


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "bytes, should be"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"\7"), "sha256"),
        (lambda path: path.unlink(), "missing"),
    ],
)
@pytest.mark.parametrize("name", ["README.md", "tokenizer/tokenizer.json", "{}.documents.arrow"])
def test_a_damaged_file_is_named(shards, copy, change, expected, name):
    folder = copy()
    path = folder / name.format(shards.shards[0].name)
    change(path)
    (line,) = check.damage(str(folder))
    assert line.startswith(f"{path}: ")
    assert expected in line


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda path: path.write_bytes(b""), "damaged"),
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "damaged"),
        (lambda path: path.unlink(), "missing"),
    ],
)
@pytest.mark.parametrize("name", ["{}.arrow", "{}.documents.arrow", "{}.unigram.arrow"])
def test_whoever_reads_a_damaged_file_learns_its_name_and_the_cure(
    shards, copy, change, expected, name
):
    folder, shard = copy(), shards.shards[0]
    path = folder / name.format(shard.name)
    change(path)
    damaged = ShardSet.open(str(folder))
    read = {"unigram": damaged.shard_unigram, "documents": damaged.documents}
    with pytest.raises(ValueError, match=f"{path}: {expected}.*corpus repair"):
        read.get(name.split(".")[1], damaged.table)(shard)


def rewrite(folder: Path, change: Callable[[dict], object]) -> None:
    """Change a manifest, and the receipts with it."""
    path = folder / sets.MANIFEST
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))
    for part in sets.read_manifest(str(folder)).parts:
        sets.commit_part(str(folder), part)


def test_a_manifest_that_was_edited_is_named(copy):
    folder = copy()
    rewrite(folder, lambda value: value["counts"].update({"num_rows wiki train 64": 1}))
    assert any("are not the sums" in line for line in check.damage(str(folder)))
    folder = copy()
    rewrite(folder, lambda value: value["identity"]["section"].update(seed=7))
    assert any("the manifest's id is" in line for line in check.damage(str(folder)))
    folder = copy()
    rewrite(folder, lambda value: value["parts"][0]["facts"].update(row_digest="0"))
    (line,) = check.damage(str(folder))
    assert line.endswith("the digest of its rows is not the manifest's row_digest")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda facts: facts["special_tokens"].update({"[MASK]": 7}), "[MASK] is 7, in its"),
        (lambda facts: facts["special_ids"].remove(4), "1 missing: 4"),
        (lambda facts: facts["special_ids"].extend([9, 30, 31, 32]), "4 only there: 9, 30, 31"),
        (
            lambda facts: facts.update(vocabulary=511),
            "vocabulary is 511, its tokenizer.json has 512",
        ),
        (lambda facts: facts.update(vocabulary=513), "special_ids are not those of its tokenizer"),
    ],
)
def test_what_the_manifest_says_of_the_tokenizer_is_compared_with_it(copy, change, expected):
    folder = copy()
    rewrite(folder, lambda value: change(value["facts"]))
    assert any(
        line.startswith(f"{folder}: the manifest's ") and expected in line
        for line in check.damage(str(folder))
    )


def test_what_other_tokenizers_call_special_tokens_is_known():
    known = ["<pad>", "<unk>", "<s>", "</s>", "a"]
    added = [("<pad>", 0), ("<unk>", 1), ("<s>", 2), ("</s>", 3), ("<mask>", 6)]
    table = {
        "model": {"vocab": [[token, 0.0] for token in known]},
        "added_tokens": [{"content": own, "id": number, "special": True} for own, number in added],
    }
    names = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    special = dict(zip(names, (0, 1, 2, 3, 6), strict=True))
    facts = {"vocabulary": 7, "special_tokens": special, "special_ids": [0, 1, 2, 3, 5, 6]}
    assert list(token_ids.differences(table, facts, ())) == []
    lines = list(token_ids.differences(table, {**facts, "special_ids": [0, 1, 2, 3, 6]}, ()))
    assert lines == ["special_ids are not those of its tokenizer.json: 1 missing: 5"]


def test_rows_that_were_exchanged_with_their_receipts_are_found(shards, copy):
    # Every digest fits; only looking at the rows tells.
    folder = copy()
    shard = held_out(shards)
    table = shards.table(shard)
    ids = np.array(table["input_ids"].to_pylist(), dtype=np.uint16)
    ids[0, 1], ids[0, 2] = ids[0, 2] ^ 1, ids[0, 1]
    column = pa.FixedSizeListArray.from_arrays(
        pa.array(ids.reshape(-1)), type=table.schema.field("input_ids").type
    )
    path = folder / f"{shard.name}.arrow"
    with pa.ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table.set_column(0, table.schema.field("input_ids"), column))
    digest = sets.digest_file(str(path))
    record = {"num_bytes": digest.num_bytes, "sha256": digest.sha256}

    def change(value: dict) -> None:
        (part,) = [part for part in value["parts"] if part["name"] == shard.name]
        part["files"][f"{shard.name}.arrow"] = record

    rewrite(folder, change)
    found = list(check.damage(str(folder)))
    assert len(found) == 1
    assert found[0].startswith(storage.join(str(folder), shard.name))
