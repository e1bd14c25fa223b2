"""Command lines for Dataflow that are wrong are refused before anything is contacted."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from dataflow_jobs import DATA, DUMPS, EACH, OPTIONS, python

_REMOTE = ["--data", DATA, "--dump", DUMPS[0], "--runner", "DataflowRunner"]
REFUSED = {
    "an option that Beam does not know": (
        [*_REMOTE, *OPTIONS, "--worker_machine_typo=n2-standard-8"],
        "Beam knows no option --worker_machine_typo=n2-standard-8",
    ),
    "a value of the wrong kind": (
        [*_REMOTE, *OPTIONS, "--max_num_workers=many"],
        "--max_num_workers: invalid int value: 'many'",
    ),
    "a project's title for its id": (
        [*_REMOTE, *OPTIONS, "--project=My Project"],
        "Invalid Project ID (My Project)",
    ),
    "a job name that Dataflow does not take": (
        [*_REMOTE, *OPTIONS, "--job_name=Best_Corpus"],
        "Invalid job_name (Best_Corpus)",
    ),
    "a temporary folder that is none of Google's": (
        [*_REMOTE, *OPTIONS, "--temp_location=/tmp/beam"],
        "Invalid GCS path (/tmp/beam)",
    ),
    "no project": ([*_REMOTE, *OPTIONS[1:]], "DataflowRunner needs --project=ID"),
    "no region": ([*_REMOTE, OPTIONS[0], *OPTIONS[2:]], "needs --region=NAME"),
    "no temporary folder": (
        [*_REMOTE, *OPTIONS[:2], *OPTIONS[3:]],
        "needs --temp_location=gs://BUCKET/FOLDER",
    ),
    "no image": ([*_REMOTE, *OPTIONS[:3]], "--sdk_container_image=IMAGE, built from pipeline/"),
    "a DATA folder of this machine": (
        [*_REMOTE, *OPTIONS, "--data", "data"],
        "data: workers of DataflowRunner cannot see this machine's files; give DATA as a URL",
    ),
    "a dump of this machine": (
        [*_REMOTE, *OPTIONS, "--dump", "raw/dump.xml"],
        "raw/dump.xml: workers of DataflowRunner cannot see this machine's files",
    ),
    "a runner that there is not": (
        ["--data", DATA, "--dump", DUMPS[0], "--runner", "DataFlorRunner"],
        "Unexpected pipeline runner: DataFlorRunner",
    ),
    "a template from the local runner": (
        ["--data", "data", "--dump", "raw/dump.xml", "--template_location=t.json"],
        "FnApiRunner would run the job all the same",
    ),
}


@dataclass(frozen=True)
class Refusals:
    """What became of the wrong command lines."""

    said: dict[str, dict[str, Any]]
    asked: list[str]
    """Of the network."""
    written: list[str]


@pytest.fixture(scope="module")
def refusals(
    tmp_path_factory: pytest.TempPathFactory, write_recipe: Callable[..., Path]
) -> Refusals:
    """Give each of the wrong command lines."""
    folder = tmp_path_factory.mktemp("alone")
    recipe = write_recipe(folder / "recipe.toml", ["${DUMP}"])
    commands = [["shards", "--recipe", str(recipe), *wrong] for wrong, _ in REFUSED.values()]
    done = python("-c", EACH, json.dumps([commands, True]), env={}, cwd=folder)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    return Refusals(
        said=dict(zip(REFUSED, answer["said"], strict=True)),
        asked=answer["asked"],
        written=[path.name for path in folder.rglob("*") if path != recipe],
    )


@pytest.mark.parametrize("wrong", REFUSED)
def test_a_wrong_command_line_is_refused_in_one_line(refusals: Refusals, wrong: str):
    said = refusals.said[wrong]
    assert said["status"] == 2
    assert said["output"] == ""
    assert said["errors"].startswith("error: ")
    assert said["errors"].count("\n") == 1
    assert REFUSED[wrong][1] in said["errors"]


def test_a_wrong_command_line_is_refused_before_anything_is_written_or_contacted(
    refusals: Refusals,
):
    assert not refusals.asked
    assert not refusals.written
