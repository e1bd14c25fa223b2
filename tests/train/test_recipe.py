"""Recipes are strict, and the shipped ones are valid."""

import copy

import pytest

from train import presets, recipe


def test_shipped_recipes_are_valid_and_differ() -> None:
    read = {name: recipe.read(name) for name in recipe.shipped()}
    assert {"demo", "demo-small", "base"} <= read.keys()
    assert len({recipe.digest(r.identity()) for r in read.values()}) == len(read)
    for made in read.values():
        assert presets.sizes(made.model)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("mask", "rat"), 0.3, "unknown key 'rat'; did you mean 'rate'"),
        (("schedule", "max_seconds"), 60, "unknown key 'max_seconds'"),
        (("model", "start_from"), "x", "did you mean 'from'"),
        (("model", "from"), "some/model", "either `preset`"),
        (("zero", "stage"), 4, "not one of 0, 1, 2, 3"),
        (("optimizer", "betas"), [0.9], "betas must be two"),
        (("precision", "dtype"), "fp16", "'fp32', 'bf16'"),
        (("data", "row_length"), "long", "row_length: expected int"),
    ],
)
def test_what_is_wrong_is_named_with_the_cure(recipe_table, path, value, message) -> None:
    table = copy.deepcopy(recipe_table)
    table.setdefault(path[0], {})[path[1]] = value
    with pytest.raises(ValueError, match=message):
        recipe.parse(table, where="test.toml")


def test_bf16_without_zero_is_refused(recipe_table) -> None:
    table = {**recipe_table, "precision": {"dtype": "bf16"}, "zero": {"stage": 0}}
    with pytest.raises(ValueError, match="at least 1"):
        recipe.parse(table, where="test.toml")


def test_a_recipe_survives_being_written_as_json(recipe_table) -> None:
    from corpus.recipe import to_table

    made = recipe.parse(recipe_table, where="test.toml")
    assert recipe.from_json(to_table(made), where="run.json") == made


def test_an_unknown_recipe_or_preset_names_the_known_ones(recipe_table) -> None:
    with pytest.raises(ValueError, match="demo"):
        recipe.read("dmo")
    made = recipe.parse({**recipe_table, "model": {"preset": "huge"}}, where="test.toml")
    with pytest.raises(ValueError, match="nano, mini"):
        presets.sizes(made.model)


def test_sizes_that_do_not_go_together_are_refused(recipe_table) -> None:
    model = {"preset": "nano", "num_attention_heads": 3}
    made = recipe.parse({**recipe_table, "model": model}, where="test.toml")
    with pytest.raises(ValueError, match="set num_attention_heads"):
        presets.sizes(made.model)
