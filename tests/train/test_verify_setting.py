"""[data] verify says when the shards of a run are held against their digests."""

import logging
import shutil
from pathlib import Path

import pytest

from corpus import proven
from corpus.shards import ShardSet
from train import recipe, session


@pytest.fixture
def bound(shards_folder, tmp_path, recipe_table):
    copy = Path(shutil.copytree(shards_folder, tmp_path / "set"))

    def bind(verify: str | None = None) -> session.Session:
        table = {**recipe_table, "data": {**recipe_table["data"]}}
        if verify is not None:
            table["data"]["verify"] = verify
        return session.bind(recipe.parse(table, where="test"), ShardSet.open(str(copy)))

    return copy, bind


def test_only_what_the_run_reads_is_compared(bound):
    folder, bind = bound
    (folder / "wiki-held_out-32.arrow").write_bytes(
        bytes((folder / "wiki-held_out-32.arrow").stat().st_size)
    )
    bind().prove()
    assert (folder / proven.NAME).exists()
    with pytest.raises(ValueError, match=r"wiki-held_out-32\.arrow: damaged"):
        bind().prove(subset="held_out")


@pytest.mark.parametrize("verify", [None, "once", "always"])
def test_damage_is_found_unless_nobody_looks(bound, verify):
    folder, bind = bound
    bind(verify).prove()
    path = folder / "wiki-train-32.arrow"
    path.write_bytes(path.read_bytes()[:-1] + b"\7")
    with pytest.raises(ValueError, match=r"wiki-train-32\.arrow: damaged"):
        bind(verify).prove()
    bind("never").prove()


@pytest.mark.parametrize(("verify", "num_readings"), [(None, 1), ("once", 1), ("always", 2)])
def test_what_has_not_changed_is_read_again_only_when_always(bound, caplog, verify, num_readings):
    _, bind = bound
    caplog.set_level(logging.INFO, logger="train.session")
    for _ in range(2):
        bind(verify).prove()
    assert sum("shards are whole" in line for line in caplog.messages) == num_readings


def test_it_is_no_property_of_the_run(bound):
    _, bind = bound
    assert bind("once").recipe.identity() == bind("never").recipe.identity()


def test_counts_of_another_set_are_refused(bound):
    folder, bind = bound
    shutil.copy(folder / "books-train-32.unigram.arrow", folder / "wiki-train-32.unigram.arrow")
    with pytest.raises(ValueError, match=r"wiki-train-32.unigram.arrow: damaged, or of another"):
        bind().unigram()
