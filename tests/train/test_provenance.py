"""A row of a run tells its documents: those that the stream really read."""

import json
from pathlib import Path

import pytest

from corpus import recipe as corpus_recipe
from corpus.identity import show_id
from corpus.shards import ShardSet
from train import provenance, recipe, session
from train.__main__ import main

PHASES = [{"from_tokens": 6 * 8 * 32, "row_length": 64, "rows_per_step": 4, "shards": {"wiki": 1}}]


def bound(table: dict, folder: Path, **sections: object) -> session.Session:
    read = recipe.parse({**table, **sections}, where="test")
    return session.bind(read, ShardSet.open(str(folder)))


def told(opened: session.Session, places: list[provenance.Place]) -> list[str]:
    """Return the document column of the table."""
    lines = provenance.table(opened, places).splitlines()
    at = lines[0].index("document")
    return [line[at:].split()[0] for line in lines[2:]]


@pytest.mark.parametrize(
    ("order", "kind"),
    [("global", "plain"), ("blocks", "plain"), ("global", "pairs"), ("blocks", "pairs")],
)
def test_the_documents_of_every_row_are_those_of_the_batch(
    recipe_table, many_shards, pair_shards, order, kind
):
    data = {"row_length": 32, "order": order, **({"block_shards": 2} if order == "blocks" else {})}
    is_plain = kind == "plain"
    sections = (
        {"phase": PHASES}
        if is_plain
        else {
            "pair": {"task": "next"},
            "model": {"preset": "nano", "family": "bert"},
        }
    )
    folder = many_shards if is_plain else pair_shards
    opened = bound(recipe_table, folder, data=data, **sections)
    stream = opened.stream
    num_exchanged = 0
    for step in range(opened.num_steps):
        first = stream.timeline.first_row(step)
        stop = first + stream.timeline.of_step(step).rows_per_step
        batch = stream.batch(first, stop, rate=0.3)
        wanted = [show_id(document) for document in batch.piece_documents.tolist()]
        places = provenance.places_of_step(opened, step + 1)
        assert told(opened, places) == wanted
        assert [place.index for place in places if not place.is_second] == [*range(first, stop)]
        assert {place.step for place in places} == {step + 1}
        assert provenance.places_of_row(opened, stop - 1) == [
            place for place in places if place.index == stop - 1
        ]
        num_exchanged += sum(place.is_second for place in places)
    assert (num_exchanged > 0) is not is_plain


def test_the_command_reads_the_run_and_names_what_is_not_there(
    recipe_table, shards_folder, many_shards, tmp_path, capsys
):
    opened = bound(recipe_table, shards_folder)
    facts = {
        "identity": corpus_recipe.to_table(opened.state(step=0, chain="")),
        "recipe": corpus_recipe.to_table(opened.recipe),
        "shards": str(shards_folder),
    }
    (tmp_path / "run.json").write_text(json.dumps(facts))
    command = ["trace", "--run", str(tmp_path)]
    assert main([*command, "--row", "95"]) == 0
    line = capsys.readouterr().out.splitlines()[2].split()
    assert line[:2] == ["95", "12"]
    assert main([*command, "--step", "12"]) == 0
    assert line[3] in capsys.readouterr().out
    recipe_file = tmp_path / "model.toml"
    recipe_file.write_text(corpus_recipe.to_toml(recipe_table))
    of_recipe = ["trace", "--model", str(recipe_file), "--data", str(shards_folder)]
    assert main([*of_recipe, "--row", "95"]) == 0
    assert capsys.readouterr().out.splitlines()[2].split() == line
    assert main([*of_recipe[:3], "--row", "95"]) == 2
    assert "needs --data" in capsys.readouterr().err
    for wrong, message in (
        (["--row", "96"], "row 96 is not one of the run's rows 0 to 95"),
        (["--row", "-1"], "row -1 is not one of"),
        (["--step", "0"], "step 0 is not one of the run's steps 1 to 12"),
        (["--row", "0", "--data", str(many_shards)], "begun with another tokenizer"),
    ):
        assert main([*command, *wrong]) == 2
        assert message in capsys.readouterr().err
    assert main(["trace", "--run", str(tmp_path / "absent"), "--row", "0"]) == 2
    assert "no run here" in capsys.readouterr().err
