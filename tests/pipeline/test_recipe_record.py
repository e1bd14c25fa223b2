"""The record of a recipe is the recipe, but for places and defaults."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from corpus import recipe as reader
from corpus import sets
from corpus.card import dataset_card
from corpus.shards import ShardSet
from pipeline import recipe
from pipeline.recipe_record import PLACES, record

SHIPPED = sorted(path.stem for path in recipe.SHIPPED.glob("*.toml"))
FULL = """
name = "full"
[[source]]
name = "wiki"
kind = "wikipedia"
paths = ["/home/somebody/dump.xml"]
licence = "CC-BY-SA-4.0"
rules = { preset = "wiki", min_words = 40 }
sample = 0.5
replace = ["email"]
[[source]]
name = "rows"
kind = "dataset"
paths = ["/home/somebody/rows.parquet"]
columns = { text = "body" }
language = "en"
[[evaluation]]
name = "task"
paths = ["/home/somebody/task.jsonl"]
columns = ["question"]
[measures]
language_model = "/home/somebody/lid.bin"
[[matches.earlier]]
name = "before"
data = "/home/somebody/data"
[fates]
near_duplicate = 0.8
held_out = 0.01
[tokenizer]
path = "/home/somebody/tokenizer"
[shards]
row_lengths = [128, 512]
"""


def without_places(section: Any) -> Any:
    """Return a recipe with other places in all its sections."""
    changes = {}
    for field in dataclasses.fields(section):
        value = getattr(section, field.name)
        if field.name in PLACES:
            changes[field.name] = ("nowhere",) if field.name == "paths" else field.default
        elif dataclasses.is_dataclass(value):
            changes[field.name] = without_places(value)
        elif isinstance(value, tuple):
            changes[field.name] = tuple(
                without_places(one) if dataclasses.is_dataclass(one) else one for one in value
            )
    return dataclasses.replace(section, **changes)


@pytest.mark.parametrize("name", [*SHIPPED, "full"])
def test_with_places_the_record_is_the_recipe_again(name, tmp_path):
    if name == "full":
        (tmp_path / "full.toml").write_text(FULL)
    own = recipe.load(
        name if name in SHIPPED else str(tmp_path / "full.toml"), variables={"DUMP": "/a/dump"}
    )
    found = record(own)
    text = json.dumps(found)
    assert "/home" not in text
    assert "/a/dump" not in text
    assert "near_duplicate" not in text, "it is the default"
    for section in (*found["source"], *found.get("evaluation", [])):
        section["paths"] = ["nowhere"]
    again = reader.parse(recipe.Recipe, found, where="record")
    assert again == without_places(own)


def test_the_manifest_and_the_card_hold_it(unbroken):
    shards = ShardSet.open(str(unbroken.data))
    section = shards.manifest.identity["section"]
    assert section["recipe"] == record(recipe.load(str(unbroken.recipe)))
    assert section["recipe"]["fates"] == {"held_out": 0.3}
    assert str(unbroken.recipe.parent).encode() not in shards.manifest.to_bytes()
    assert "[fates]\nheld_out = 0.3\n" in (Path(shards.url) / "README.md").read_text()
    read = sets.read_manifest(shards.url)
    assert dataset_card(read) == (Path(shards.url) / "README.md").read_bytes(), "by key order"
