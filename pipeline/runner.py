"""The Beam pipeline that every stage is, and the named runner that runs it.

    Create(parts) -> Reshuffle -> do -> receipts -> plan the next step -> Reshuffle -> do ...

Locally that is FnApiRunner, never the default `DirectRunner`, which downloads Prism where it can
(research: beam.md section 1). Any other runner's name passes through with its options.
"""

import importlib
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from corpus import storage

LOCAL = "FnApiRunner"
_IN_MEMORY_BYTES = 64 << 20
"""Below this much input, starting worker processes (3 to 5 s) costs more than it gains."""

_BAD_INPUT = re.compile("\u27e6bad input\u27e7(.*?)\u27e6end\u27e7", re.DOTALL)
"""Marks a message for the user inside a runner's traceback, which loses the exception's type."""

StepSpec = tuple[str, Callable[[Any], list[Any]], Callable[[bytes], bytes]]
"""A step's name, its plan and what does one part (element to receipt)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Runner:
    """Where the Beam pipelines run."""

    name: str = LOCAL
    """A Beam runner's name."""
    workers: int | None = None
    """Local worker processes; None: one per core when the input is large enough, else none."""
    options: tuple[str, ...] = ()
    """Further Beam options, such as `--region=europe-west1`."""

    def __post_init__(self) -> None:
        """Check the number of workers."""
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"--workers must be at least 1, got {self.workers}")

    @property
    def is_local(self) -> bool:
        """Tell whether workers are processes of this machine and see its files."""
        return self.name == LOCAL

    def check(self, *, data: str) -> None:
        """Check the options before anything is done.

        Raises:
            ValueError: workers elsewhere could not reach the DATA folder, or an option is unknown.
        """
        if not self.is_local and storage.local_path(data) is not None:
            raise ValueError(
                f"{data}: workers of {self.name} cannot see a local folder; give DATA as a URL "
                "(gs://bucket/folder, s3://bucket/folder)"
            )
        if self.options:
            quiet_beam()
            pipeline_options(self.arguments(num_bytes=0, label="check"))

    def arguments(self, *, num_bytes: int, label: str) -> list[str]:
        """Return the Beam options for an input of this size."""
        if not self.is_local:
            # Dataflow asks for a name that is unique among running jobs; the stage's does.
            named = any(option.startswith("--job_name") for option in self.options)
            job = [] if named else [f"--job_name=gristmill-{label}"]
            return [f"--runner={self.name}", *job, *self.options]
        workers = self.workers
        if workers is None:
            workers = (os.cpu_count() or 1) if num_bytes >= _IN_MEMORY_BYTES else 1
        mode = "in_memory" if workers == 1 else "multi_processing"
        return [
            f"--runner={LOCAL}",
            f"--direct_running_mode={mode}",
            f"--direct_num_workers={workers}",
            *self.options,
        ]

    def run(self, steps: Sequence[StepSpec], *, label: str, num_bytes: int) -> None:
        """Run all steps of a stage to the end.

        Raises:
            ValueError: an option is unknown, or a part's input is bad.
        """
        quiet_beam()
        # Imported here, since a stage that is up to date needs no Beam.
        from apache_beam import Pipeline

        options = pipeline_options(self.arguments(num_bytes=num_bytes, label=label))
        pipeline = Pipeline(options=options)
        build(pipeline, steps, guard_pid=os.getpid() if self.is_local else None)
        try:
            pipeline.run().wait_until_finish()
        except (ValueError, RuntimeError, OSError) as error:
            found = _BAD_INPUT.search(str(error))
            if found is None:
                raise
            raise ValueError(found[1].replace("\\n", "\n")) from None


def quiet_beam() -> None:
    """Keep Beam's information lines off the terminal; must run before Beam is imported."""
    for name in ("apache_beam", "root"):
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    # Fork and threads inside a Beam worker do not go together (tokenizers prints a warning).
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


def pipeline_options(arguments: Sequence[str]) -> Any:
    """Return Beam's options object.

    Raises:
        ValueError: an option is not known to Beam, which itself would take it in silence.
    """
    from apache_beam.options.pipeline_options import PipelineOptions, _BeamArgumentParser

    importlib.import_module("apache_beam.runners.portability.fn_api_runner")
    parser = _BeamArgumentParser(add_help=False, allow_abbrev=False)
    for known in _all_subclasses(PipelineOptions):
        known._add_argparse_args(parser)
    _, unknown = parser.parse_known_args(list(arguments))
    if unknown:
        raise ValueError(
            f"Beam knows no option {' '.join(unknown)}; check the spelling "
            "(https://beam.apache.org/documentation/runners/capability-matrix/ links each runner's)"
        )
    return PipelineOptions(list(arguments))


def _all_subclasses(cls: type) -> list[type]:
    found = {sub.__name__: sub for sub in cls.__subclasses__()}
    return [found[name] for name in sorted(found)]


def build(pipeline: Any, steps: Sequence[StepSpec], *, guard_pid: int | None) -> None:
    """Add a stage's steps to a Beam pipeline.

    Args:
        pipeline: the Beam pipeline.
        steps: in order; each is planned from the receipts of all before it.
        guard_pid: process whose end ends the workers, or None where the runner looks after them.
    """
    import apache_beam as beam
    from apache_beam.pvalue import AsList

    from pipeline.beam_steps import Do, Plan

    receipts: dict[str, Any] = {}
    for name, plan, do in steps:
        earlier = {key: AsList(done) for key, done in receipts.items()}
        receipts[name] = (
            pipeline
            | f"{name}: begin" >> beam.Create([b""])
            | f"{name}: plan" >> beam.ParDo(Plan(plan), **earlier)
            | f"{name}: spread" >> beam.Reshuffle()
            | f"{name}: do" >> beam.ParDo(Do(do, guard_pid))
        )


def bad_input(message: str) -> ValueError:
    """Return an error whose message survives any runner's wrapping."""
    return ValueError(f"\u27e6bad input\u27e7{message}\u27e6end\u27e7")


_watching = threading.Event()


def end_with(pid: int) -> None:
    """End this process soon after process `pid` has ended, however that ended.

    FnApiRunner's worker processes otherwise outlive a run that was killed.
    """
    if _watching.is_set() or os.getpid() == pid:
        return
    _watching.set()

    def watch() -> None:
        while True:
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                os._exit(1)
            time.sleep(0.2)

    threading.Thread(target=watch, daemon=True).start()
