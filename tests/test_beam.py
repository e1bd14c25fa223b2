"""The pipeline around a stage's steps, on each runner that is at hand.

Prism and Flink are tried where GRISTMILL_PRISM names a Prism binary (of Beam's version) and
GRISTMILL_FLINK_JAR a Flink job server; neither comes with pip.
"""

import json
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from corpus import identity, sets
from corpus.sets import Receipt
from pipeline.running import flow
from pipeline.running.flow import Part
from pipeline.running.runner import LOCAL, Runner, StepSpec

ELSEWHERE = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
"""The local runner by its other name, taken for one whose workers are on other machines."""


@pytest.fixture(autouse=True, scope="module")
def _log_level() -> Iterator[None]:
    """Undo what a run does to the root logger."""
    level = logging.getLogger().level
    yield
    logging.getLogger().setLevel(level)


def _prism() -> Runner:
    options = (f"--prism_location={_named('GRISTMILL_PRISM')}", "--environment_type=LOOPBACK")
    return Runner(name="PrismRunner", options=options)


def _flink() -> Runner:
    options = (
        f"--flink_job_server_jar={_named('GRISTMILL_FLINK_JAR')}",
        "--flink_master=[local]",
        "--environment_type=LOOPBACK",
        "--parallelism=1",
    )
    return Runner(name="FlinkRunner", options=options)


def _named(variable: str) -> str:
    path = os.environ.get(variable, "")
    if not path:
        pytest.skip(f"{variable} names no file")
    assert Path(path).is_file(), f"{variable}={path}: no such file"
    return path


@pytest.fixture(scope="module", params=["in memory", "two processes", "Prism", "Flink"])
def runner(request: pytest.FixtureRequest) -> Runner:
    """Return each runner that is at hand."""
    made: dict[str, Callable[[], Runner]] = {
        "in memory": lambda: Runner(workers=1),
        "two processes": lambda: Runner(workers=2),
        "Prism": _prism,
        "Flink": _flink,
    }
    return made[request.param]()


def _part(name: str, **inputs: Any) -> Part:
    return Part(name=name, fingerprint=identity.fingerprint(name), inputs=inputs)


def _step(
    name: str, parts: Callable[[flow.Receipts], list[Part]], count: Callable[[Part], int]
) -> StepSpec:
    """Return a step whose receipts carry one count, made from functions of a test.

    Functions inside a function travel to a worker by value: no worker can import a test.
    """

    def do(element: bytes) -> bytes:
        part = Part(**json.loads(element))
        made = Receipt(
            name=part.name, fingerprint=part.fingerprint, files={}, counts={"num": count(part)}
        )
        return identity.canonical(sets.receipt_to_json(made))

    return name, parts, do


def test_a_step_is_planned_from_the_receipts_of_the_steps_before_it(runner: Runner, tmp_path: Path):
    seen = tmp_path / "seen.json"

    def squares(receipts: flow.Receipts) -> list[Part]:
        assert not receipts
        return [_part(f"part-{number}", number=number) for number in (3, 1, 2)]

    def nothing(receipts: flow.Receipts) -> list[Part]:
        return []

    def sums(receipts: flow.Receipts) -> list[Part]:
        found = {
            step: [[receipt.name, receipt.counts["num"]] for receipt in done]
            for step, done in receipts.items()
        }
        return [_part("all", found=found)]

    def square(part: Part) -> int:
        return part.inputs["number"] ** 2

    def write(part: Part) -> int:
        seen.write_text(json.dumps(part.inputs["found"]))
        return 0

    steps = [
        _step("squares", squares, square),
        _step("nothing", nothing, square),
        _step("sums", sums, write),
    ]
    runner.run(steps, label="test", num_bytes=1)
    in_order = [["part-1", 1], ["part-2", 4], ["part-3", 9]]
    assert json.loads(seen.read_text()) == {"squares": in_order, "nothing": []}


def test_bad_input_is_a_value_error_with_its_message_and_nothing_else(runner: Runner):
    message = 'gs://b/it\'s "one".xml: truncated (ä\u2026) at byte 1,024;\ndownload it again'

    def parts(receipts: flow.Receipts) -> list[Part]:
        return [_part("one")]

    def fail(part: Part) -> int:
        raise ValueError(message)

    with pytest.raises(ValueError, match="truncated") as raised:
        runner.run([_step("parts", parts, fail)], label="test", num_bytes=1)
    assert str(raised.value) == message


def test_a_fault_of_ours_keeps_its_traceback():
    def parts(receipts: flow.Receipts) -> list[Part]:
        return [_part("one")]

    def fail(part: Part) -> int:
        return {}["absent"]

    with pytest.raises(KeyError, match=r"absent.*while running 'parts: do'"):
        Runner(workers=1).run([_step("parts", parts, fail)], label="test", num_bytes=1)


def test_an_element_is_the_descriptor_of_a_part_and_a_result_its_receipt():
    import apache_beam as beam
    from apache_beam.testing.test_pipeline import TestPipeline
    from apache_beam.testing.util import assert_that, equal_to

    from pipeline.running.beam_steps import Do, Plan

    planned = [_part("b", number=2), _part("a", number=1)]

    def parts(receipts: flow.Receipts) -> list[Part]:
        return planned

    def number(part: Part) -> int:
        return part.inputs["number"]

    _, plan, do = _step("parts", parts, number)
    with TestPipeline(runner=LOCAL) as pipeline:
        elements = pipeline | beam.Impulse() | beam.ParDo(Plan(plan))
        results = elements | "do" >> beam.ParDo(Do(do))
        assert_that(elements, equal_to([part.to_bytes() for part in planned]))
        assert_that(results, equal_to([do(part.to_bytes()) for part in planned]), "receipts")


def _stage(name: str, *, parts: list[Part], libraries: dict[str, str]) -> flow.Stage:
    def plan(receipts: flow.Receipts) -> list[Part]:
        return parts

    def work(part: Part, output: flow.Output) -> None:
        with output.create(f"{part.name}.txt") as file:
            file.write(part.name.encode())

    def facts(receipts: list[Receipt], url: str) -> dict[str, Any]:
        return {}

    return flow.Stage(
        name=name,
        identity=flow.identify(section={}, version=1, libraries=libraries, parents={}),
        steps=[flow.Step(name="parts", plan=plan, work=work)],
        facts=facts,
    )


def test_workers_elsewhere_must_have_the_libraries_that_the_set_says(tmp_path: Path):
    here = identity.libraries("pyarrow")
    parts = [_part("one")]
    same = _stage("documents", parts=parts, libraries=here)
    other = _stage("documents", parts=parts, libraries={"pyarrow": "1.0"})
    remote = Runner(name=ELSEWHERE)
    manifest, is_new = flow.make(same, data=str(tmp_path), runner=remote)
    assert is_new
    assert [part.name for part in manifest.parts] == ["one"]
    with pytest.raises(ValueError, match=r"the worker has pyarrow .* \(planned with 1\.0\)"):
        flow.make(other, data=str(tmp_path), runner=remote)
    left = sets.folder(str(tmp_path), "documents", sets.set_id("documents", other.identity))
    assert not sets.has_manifest(left)


def test_a_stage_without_parts_needs_no_runner(tmp_path: Path):
    stage = _stage("tokenizers", parts=[], libraries={})
    manifest, _ = flow.make(stage, data=str(tmp_path), runner=Runner(name="NoSuchRunner"))
    assert manifest.parts == ()
