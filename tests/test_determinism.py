"""Same recipe and same text, same bytes: whoever makes them, from wherever, in whatever pieces."""

import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from corpus import sets
from pipeline.__main__ import main
from pipeline.documents import extract
from pipeline.encoding import encoders
from pipeline.raw import multistream
from pipeline.running.flow import Output, Part
from pipeline.split import Split, to_json


def run(stage: str, recipe: Path, data: Path, *options: str) -> None:
    assert main([stage, "--recipe", str(recipe), "--data", str(data), *options]) == 0


def documents(data: Path) -> list[dict[str, object]]:
    """Return all documents of the one documents set, in the order of its parts."""
    (manifest,) = data.glob("documents/*/manifest.json")
    found = sets.read_manifest(str(manifest.parent))
    return [
        row
        for part in found.parts
        for row in pq.read_table(manifest.parent / part.file()).to_pylist()
    ]


@pytest.mark.slow
def test_worker_processes_change_no_byte(tmp_path, unbroken, command, shard_digests):
    done = command(
        "pipeline", "shards", "--recipe", unbroken.recipe, "--data", tmp_path, "--workers", "2"
    )
    assert done.returncode == 0, done.stderr
    assert shard_digests(tmp_path) == unbroken.digests


def test_names_places_and_order_of_files_change_no_byte(
    tmp_path, unbroken, write_recipe, shard_digests
):
    moved = []
    for number, path in enumerate(reversed(unbroken.dumps)):
        moved.append(tmp_path / f"folder {number % 3}" / f"{chr(122 - number)}.bz2")
        moved[-1].parent.mkdir(exist_ok=True)
        moved[-1].write_bytes(path.read_bytes())
    recipe = write_recipe(tmp_path / "other.toml", moved[3:] + moved[:3], row_lengths="64, 32")
    run("shards", recipe, tmp_path / "elsewhere" / "data")
    assert shard_digests(tmp_path / "elsewhere" / "data") == unbroken.digests


def test_compression_and_streams_change_no_document_and_no_row(tmp_path, make_dump, write_recipe):
    found = {}
    for name, streams in [("plain.xml", 1), ("one.xml.gz", 1), ("many.xml.bz2", 23)]:
        path = make_dump(tmp_path / name, num_articles=12, seed=3, streams=streams)
        recipe = write_recipe(tmp_path / "recipe.toml", [path], row_lengths="32, 64")
        data = tmp_path / f"data of {name}"
        run("shards", recipe, data)
        (manifest,) = data.glob("shards/*/manifest.json")
        parts = sets.read_manifest(str(manifest.parent)).parts
        assert {part.facts["subset"] for part in parts} == {"train", "held_out"}
        found[name] = (documents(data), [(part.name, part.files, part.facts) for part in parts])
    assert len(found["plain.xml"][0]) == 15
    assert found["one.xml.gz"] == found["plain.xml"]
    assert found["many.xml.bz2"] == found["plain.xml"]


@pytest.mark.parametrize("form", ["xml", "bz2"])
def test_documents_do_not_depend_on_where_their_file_is_cut(tmp_path, make_dump, form):
    streams = 31
    path = make_dump(tmp_path / f"dump.{form}", num_articles=20, streams=streams)
    content = path.read_bytes()
    starts = (
        list(multistream.stream_starts([content]))
        if form == "bz2"
        else list(range(0, len(content), len(content) // streams))
    )

    def rows(name: str, cuts: list[int]) -> list[dict[str, object]]:
        """Return the documents of the splits that begin at these places, one after another."""
        found = []
        for number, (start, end) in enumerate(zip(cuts, [*cuts[1:], len(content)], strict=True)):
            split = Split(
                source="wiki",
                url=str(path),
                sha256="",
                form=form,
                start=start,
                end=end,
                is_last=end == len(content),
            )
            inputs = {
                "split": to_json(split),
                "section": {"kind": "wikipedia", "sample": 1.0, "max_record_mb": 64},
            }
            part = Part(name=f"{name}-{number}", fingerprint="", inputs=inputs)
            extract(part, Output(url=str(tmp_path)))
            found.extend(pq.read_table(tmp_path / f"{part.name}.parquet").to_pylist())
        return found

    whole = rows("whole", [0])
    assert len(whole) == 23
    assert rows("every", starts) == whole
    assert rows("some", starts[::7]) == whole


def test_without_gigatoken_every_shard_has_the_same_bytes(tmp_path, unbroken, monkeypatch):
    if not encoders.installed():
        pytest.skip("gigatoken is not installed")
    shutil.copytree(unbroken.data, tmp_path / "data")
    monkeypatch.setattr(encoders, "installed", dict)
    run("shards", unbroken.recipe, tmp_path / "data")
    found = {}
    for path in (tmp_path / "data").glob("shards/*/manifest.json"):
        manifest = sets.read_manifest(str(path.parent))
        found[manifest.facts["encoder"]["encoder"]] = manifest
    fast, slow = found["gigatoken"], found["words"]
    assert [part.files for part in slow.parts] == [part.files for part in fast.parts]
    # The set says which it was, and so do its id and the proof.
    assert fast.identity["libraries"]["gigatoken"] == fast.facts["encoder"]["version"]
    assert "gigatoken" not in slow.identity["libraries"]
    assert slow.facts["encoder"]["refused"] == {"gigatoken": "not installed"}
    proofs = [manifest.facts["encoder"] for manifest in (fast, slow)]
    assert proofs[0]["ids_sha256"] == proofs[1]["ids_sha256"]
    assert proofs[0]["num_documents"] > 30
    (checks,) = fast.facts["tokenizer_checks"]
    assert (checks["source"], checks["language"]) == ("wiki", "en")
    assert (checks["num_unknown"], checks["num_changed"]) == (0, 0)
    assert 1 < checks["num_tokens"] / checks["num_words"] < 4
