"""Dataflow as far as it goes without Google: every stage's job is built and staged, offline.

A storage emulator on loopback stands in for gs://. What it then holds, the job's JSON and the
pipeline with its pickled steps, is what Dataflow and its workers would get; it is looked at, and
run in a fresh interpreter that has nothing of this checkout but what is installed. No job has ever
run on Dataflow itself.
"""

import base64
import bz2
import json
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apache_beam
import pytest
from dataflow_jobs import DATA, IMAGE, Job

from pipeline import stages

ROOT = Path(__file__).resolve().parents[2]

each_stage = pytest.mark.parametrize("command", stages.FOLDERS)


@each_stage
def test_a_job_that_is_only_built_leaves_no_set_and_no_lock(jobs: dict[str, Job], command: str):
    assert jobs[command].left == []


@each_stage
def test_a_job_is_named_by_its_set_and_asks_for_the_image_and_runner_v2(
    jobs: dict[str, Job], command: str
):
    job = jobs[command]
    assert job.template["name"] == f"gristmill-{job.set}"
    environment = job.template["environment"]
    assert {"use_runner_v2", "use_portable_job_submission"} <= set(environment["experiments"])
    (pool,) = environment["workerPools"]
    assert pool["workerHarnessContainerImage"] == IMAGE
    assert [image["containerImage"] for image in pool["sdkHarnessContainerImages"]] == [IMAGE]
    for container in job.graph.components.environments.values():
        assert container.urn == "beam:env:docker:v1"
        assert IMAGE.encode() in container.payload


def test_the_options_that_cost_money_reach_the_job(jobs: dict[str, Job]):
    job = jobs["documents"].template
    (pool,) = job["environment"]["workerPools"]
    assert pool["autoscalingSettings"]["maxNumWorkers"] == 7
    assert pool["numWorkers"] == 2
    assert pool["machineType"] == "n2-highmem-8"
    assert pool["diskSizeGb"] == 50
    assert job["environment"]["flexResourceSchedulingGoal"] == "FLEXRS_COST_OPTIMIZED"
    assert job["labels"] == {"team": "text"}


@each_stage
def test_a_stage_is_one_pipeline_whose_steps_carry_their_names(jobs: dict[str, Job], command: str):
    job = jobs[command]
    names = {transform.unique_name for transform in job.graph.components.transforms.values()}
    outermost = {name for name in names if "/" not in name and ": " in name}
    wanted = {
        f"{step}: {role}" for step in job.receipts for role in ("begin", "plan", "spread", "do")
    }
    assert outermost == wanted


@each_stage
def test_only_the_pipeline_is_staged(jobs: dict[str, Job], command: str):
    assert jobs[command].staged == ["pipeline.pb"]


def _unpacked(payload: bytes) -> Iterator[bytes]:
    """Yield the pickles in a payload, which Beam packs as base64 over bz2."""
    for packed in re.findall(rb"QlpoOT[A-Za-z0-9+/]+={0,2}", payload):
        yield bz2.decompress(base64.b64decode(packed))


def _payloads(graph: Any) -> Iterator[bytes]:
    """Yield all that a pipeline holds."""
    yield graph.SerializeToString()
    parts = graph.components
    for transform in parts.transforms.values():
        yield from _unpacked(transform.spec.payload)
    for coder in parts.coders.values():
        yield from _unpacked(coder.spec.payload)


@each_stage
def test_no_path_of_this_machine_is_left_in_a_job(
    jobs: dict[str, Job], elsewhere: Path, command: str
):
    job = jobs[command]
    content = [*_payloads(job.graph), json.dumps(job.template).encode()]
    assert any(f"{DATA}/".encode() in text for text in content), "the search sees into the pickles"
    # Beam pickles lambdas of its own Reshuffle, and with them the names of its source files.
    beam_files = f"{Path(apache_beam.__file__).parent}/".encode()
    here = [ROOT, sys.prefix, sys.base_prefix, elsewhere, Path.home(), tempfile.gettempdir()]
    for path in here:
        for text in content:
            assert f"{path}/".encode() not in text.replace(beam_files, b"")


@each_stage
def test_our_own_steps_are_pickled_without_any_file_name(jobs: dict[str, Job], command: str):
    steps = [
        transform.spec.payload
        for transform in jobs[command].graph.components.transforms.values()
        if transform.unique_name.endswith((": plan", ": do"))
    ]
    assert len(steps) == 2 * len(jobs[command].receipts)
    for payload in steps:
        assert b".py" not in b"".join(_unpacked(payload))


@each_stage
def test_the_staged_pipeline_makes_the_same_files_in_an_interpreter_of_its_own(
    jobs: dict[str, Job], command: str
):
    job = jobs[command]
    assert job.made["receipts"] == job.receipts
    assert all(job.receipts.values())


@each_stage
def test_a_worker_imports_what_a_step_does_and_is_not_tied_to_the_driver_s_process(
    jobs: dict[str, Job], command: str
):
    job = jobs[command]
    assert job.made["importable"] == [True] * len(job.receipts)
    assert job.made["guards"] == [None] * len(job.receipts)


@each_stage
def test_elements_are_descriptors_and_hold_no_text(jobs: dict[str, Job], command: str):
    for step, elements in jobs[command].made["elements"].items():
        assert elements, step
        for element in elements:
            assert set(json.loads(element)) == {"name", "fingerprint", "inputs", "num_bytes"}
            assert len(element) < 2500, (step, element)
