import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import plan, readers
from pipeline.recipe import Source
from pipeline.tables import hub


def texts(path: str) -> list[str]:
    source = Source(name="d", kind="dataset", paths=(path,))
    files, _ = plan.raw_files(plan.find([source]), data="/nonexistent")
    section = readers.section(source)
    return sorted(r.text for split in plan.splits(files) for r in readers.read(split, section))


@pytest.fixture
def folder(tmp_path):
    """Two splits of JSONL, and a configuration of its own in Parquet."""
    for split in ("train", "test"):
        lines = [json.dumps({"text": f"{split} {n}"}) + "\n" for n in range(3)]
        (tmp_path / f"{split}.jsonl").write_text("".join(lines))
    (tmp_path / "extra").mkdir()
    pq.write_table(pa.table({"text": ["parquet"]}), tmp_path / "extra/rows.parquet")
    (tmp_path / "README.md").write_text(
        "---\nconfigs:\n"
        "- config_name: default\n  data_files:\n"
        "  - split: train\n    path: train.jsonl\n  - split: test\n    path: test.jsonl\n"
        "- config_name: extra\n  data_files: extra/*.parquet\n---\n"
    )
    return tmp_path


def test_datasets_says_which_files_a_split_of_a_configuration_has(folder):
    assert texts(f"hub:{folder}") == ["train 0", "train 1", "train 2"]
    assert texts(f"hub:{folder}:default:test") == ["test 0", "test 1", "test 2"]
    assert texts(f"hub:{folder}::test") == ["test 0", "test 1", "test 2"]
    assert texts(f"hub:{folder}:extra") == ["parquet"]
    with pytest.raises(ValueError, match="no split 'dev'; it has train, test"):
        hub.files(f"hub:{folder}::dev")
    with pytest.raises(ValueError, match="cannot be found"):
        hub.files(f"hub:{folder}:other")


def test_a_folder_stands_for_its_data_files(folder):
    assert len(texts(str(folder))) == 7


@pytest.mark.parametrize("prefix", ["", "hub:"])
def test_what_save_to_disk_wrote_is_read(folder, tmp_path, prefix):
    import datasets

    whole = datasets.DatasetDict(
        {
            name: datasets.Dataset.from_dict({"text": [f"{name} {n}" for n in range(4)]})
            for name in ("train", "test")
        }
    )
    whole.save_to_disk(str(tmp_path / "saved"), num_shards={"train": 2, "test": 1})
    train = [f"train {n}" for n in range(4)]
    test = [f"test {n}" for n in range(4)]
    assert texts(f"{prefix}{tmp_path}/saved/train") == train
    assert texts(f"hub:{tmp_path}/saved") == train
    assert texts(f"hub:{tmp_path}/saved::test") == test
    assert texts(f"{tmp_path}/saved") == sorted(test + train)
    with pytest.raises(ValueError, match="no split 'dev'; it has train, test"):
        hub.files(f"hub:{tmp_path}/saved::dev")


def test_without_a_network_the_cure_is_named():
    with pytest.raises(ValueError, match=r"owner/none: cannot be found.*hf download") as error:
        hub.files("hub:owner/none")
    assert "--local-dir" in str(error.value)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("owner/name", ("owner/name", None, None, None)),
        ("owner/name@abc:en:test", ("owner/name", "abc", "en", "test")),
        ("owner/name::test", ("owner/name", None, "", "test")),
        ("/data/my folder:en", ("/data/my folder", None, "en", None)),
        ("../x@1/y", ("../x@1/y", None, None, None)),
    ],
)
def test_names_are_taken_apart(name, parts):
    match = hub._NAME.fullmatch(name)
    assert match is not None
    assert (match["path"], match["revision"], match["config"], match["split"]) == parts
