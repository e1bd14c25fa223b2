"""The README's commands work as they stand there, on a tiny dump and a tiny model."""

import os
import re
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from corpus import identity

ROOT = Path(__file__).resolve().parents[1]
MODEL = """
seed = 1
[data]
row_length = 64
[model]
preset = "nano"
[schedule]
tokens = 4_000
rows_per_step = 8
micro_batch = 8
peak_learning_rate = 3e-3
"""
_MAKE = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES", "OPTIONS")
# Run elsewhere: what CI itself is, what measures speed, and what needs GPUs or a cloud.
NOT_RUN = re.compile(
    r"^make (test|check|bench|plan MODEL=base|train MODEL=base)|gs://|^gcloud|^docker|"
    r"corpus fetch |corpus repair "
)


def commands() -> list[str]:
    """Return every command line of the README's sh blocks, without comments."""
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    joined = "\n".join(blocks).replace("\\\n", " ")
    lines = [line.split("  #")[0].strip() for line in joined.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def place(tmp_path_factory, make_dump, write_recipe):
    folder = tmp_path_factory.mktemp("readme")
    dump = make_dump(folder / "tiny.xml.bz2", num_articles=40)
    (folder / "model.toml").write_text(MODEL)
    write_recipe(folder / "recipe.toml", ["${DUMP}"])
    environment = {
        "RECIPE": folder / "recipe.toml",
        "MODEL": folder / "model.toml",
        "DATA": folder / "data",
        "RUN": folder / "run",
        "DUMP": dump,
    }
    return folder, {name: str(value) for name, value in environment.items()}


def make(line: str, environment: dict[str, str], *, replace: dict[str, str] | None = None):
    for old, new in (replace or {}).items():
        line = line.replace(old, new)
    # A make that runs the tests hands its own variables down; a user's shell has none.
    own = {name: value for name, value in os.environ.items() if name not in _MAKE}
    done = subprocess.run(
        line,
        shell=True,
        cwd=ROOT,
        env={**own, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def test_the_readme_names_its_commands():
    found = commands()
    assert "make demo" in found
    assert "make test" in found
    assert len(found) >= 8


def test_demo_goes_the_whole_way_and_a_second_one_redoes_nothing(place):
    _, environment = place
    first = make("make demo", environment)
    for word in ("documents: made", "shards: made", "unigram", "bigram", "[MASK]", "kept train"):
        assert word in first, f"{word!r} is not in the output of make demo"
    second = make("make demo", environment)
    assert ": made:" not in second
    assert second.count("up to date") >= 7


@pytest.mark.parametrize("line", [line for line in commands() if not NOT_RUN.search(line)])
def test_each_command_of_the_readme_works(place, line):
    folder, environment = place
    if line == "make demo":
        pytest.skip("run by the test above")
    # The README's example of another dump is run with the tiny one and folders of the test's own.
    replace = {
        "raw/ltgwiki-latest-pages-articles.xml.bz2": environment["DUMP"],
        "data-ltg": str(folder / "data-ltg"),
        'WHAT="Alabama"': 'WHAT="Article 7"',
        "A=demo B=other.toml": "A=test B=test",
        "ids.txt": str(folder / "ids.txt"),
    }
    rows = pq.read_table(sorted((folder / "data/documents").glob("*/*.parquet")), columns=["id"])
    (folder / "ids.txt").write_text(identity.show_id(rows["id"][0].as_py()))
    assert make(line, environment, replace=replace)


def test_the_recipes_of_the_readme_are_valid(tmp_path):
    from pipeline import recipe as corpus_recipe
    from train import recipe as model_recipe

    blocks = re.findall(r"^```toml\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    assert len(blocks) == 4
    for block in blocks:
        load = corpus_recipe.load if "[[source]]" in block else model_recipe.read
        path = tmp_path / "recipe.toml"
        path.write_text(block)
        load(str(path))


def test_make_help_lists_every_target():
    text = make("make help", {})
    targets = re.findall(r"^([a-z][a-z-]*):.*## ", (ROOT / "Makefile").read_text(), re.M)
    assert len(targets) > 15
    for target in targets:
        assert re.search(rf"^  {target}\s", text, re.M), target
