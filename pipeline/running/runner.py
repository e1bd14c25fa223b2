"""The Beam pipeline that every stage is, and the named runner that runs it.

    Create(parts) -> Reshuffle -> do -> receipts -> plan the next step -> Reshuffle -> do ...

Locally that is FnApiRunner, never the default `DirectRunner`, which downloads Prism where it can
(research: beam.md section 1). Any other runner's name passes through with its options.
"""

import argparse
import importlib
import logging
import os
import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from corpus import storage
from pipeline.running import worker
from pipeline.running.crew import Crew

log = logging.getLogger(__name__)

LOCAL = "FnApiRunner"
DATAFLOW = "DataflowRunner"
_IN_MEMORY_BYTES = 64 << 20
"""Below this much input, starting worker processes (2 s) costs more than it gains."""

_BAD_INPUT = re.compile(f"{worker.BAD_INPUT}(.*?){worker.END}", re.DOTALL)

_DATAFLOW_NEEDS = {
    "project": "--project=ID, the Google Cloud project",
    "region": "--region=NAME",
    "temp_location": "--temp_location=gs://BUCKET/FOLDER",
    "sdk_container_image": "--sdk_container_image=IMAGE, built from pipeline/worker.Dockerfile",
}
_NOT_STAGED = ("--no_save_main_session", "--experiments=disable_logging_submission_environment")
"""Neither is needed where workers run an image that holds this project, and both would send along
what happens to be on this machine: its main module's state, its paths and packages."""

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
    crew: Crew | None = None
    """The local worker processes; None: each pipeline starts and ends its own."""
    is_lean: bool = False
    """Whether Beam may be imported for this machine alone, for all that this process will do."""

    def __post_init__(self) -> None:
        """Check what can be wrong whatever the runner."""
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"--workers must be at least 1, got {self.workers}")
        own = [option for option in self.options if option.startswith("--direct_")]
        if own:
            raise ValueError(f"{own[0]}: give --workers=N instead; how they run is not a choice")

    @property
    def is_local(self) -> bool:
        """Tell whether workers are processes of this machine and see its files."""
        return self.name == LOCAL

    def check(self, *, data: str, raw: Sequence[str] = ()) -> None:
        """Check the options before anything is done: nothing is written or contacted.

        Args:
            data: the DATA folder.
            raw: the paths of the raw files, or patterns.

        Raises:
            ValueError: workers elsewhere could not reach DATA or the raw files, or an option is
                unknown, wrong or missing.
        """
        for name, url in [("DATA", data), *(("raw files", path) for path in raw)]:
            if not self.is_local and storage.local_path(url) is not None:
                raise ValueError(
                    f"{url}: workers of {self.name} cannot see this machine's files; give {name} "
                    "as a URL (gs://bucket/folder, s3://bucket/folder)"
                )
        if self.is_local and not self.options:
            return
        quiet_beam()
        from apache_beam.runners.runner import create_runner

        try:
            engine = create_runner(self.name)
        except (ValueError, ImportError, AttributeError) as error:
            raise ValueError(f"--runner {self.name}: {error}") from error
        options = pipeline_options(self.arguments(num_bytes=0, label="check"))
        if self.name == DATAFLOW:
            _check_dataflow(options, engine)
        elif _only_builds(options):
            raise ValueError(
                f"--template_location and --dry_run are options of {DATAFLOW}; {self.name} would "
                "run the job all the same"
            )

    def arguments(self, *, num_bytes: int, label: str) -> list[str]:
        """Return the Beam options for an input of this size."""
        if not self.is_local:
            # Dataflow refuses a second running job of one name: here, of one set.
            named = any(option.startswith("--job_name") for option in self.options)
            job = [] if named else [f"--job_name=gristmill-{label}"]
            return [f"--runner={self.name}", *job, *_NOT_STAGED, *self.options]
        workers = self._num_workers(num_bytes)
        return [f"--runner={LOCAL}", f"--direct_num_workers={workers}", *self.options]

    def run(self, steps: Sequence[StepSpec], *, label: str, num_bytes: int) -> None:
        """Run all steps of a stage to the end.

        Raises:
            ValueError: an option is unknown, a part's input is bad, or the service refused or lost
                the job.
            NotRunError: the options ask for the job and not for its run.
        """
        with ExitStack() as stack:
            crew = self.crew or stack.enter_context(Crew())
            workers = self._num_processes(num_bytes)
            # Before anything else: they import Beam at the same time as this process.
            crew.start(workers)
            if self.is_lean and self.is_local:
                with worker.lean_imports():
                    importlib.import_module("apache_beam.runners.portability.fn_api_runner")
            self._run(steps, label=label, num_bytes=num_bytes, crew=crew if workers else None)

    def _run(
        self, steps: Sequence[StepSpec], *, label: str, num_bytes: int, crew: Crew | None
    ) -> None:
        quiet_beam()
        # Imported here, since a stage that is up to date needs no Beam.
        from apache_beam import Pipeline

        options = pipeline_options(self.arguments(num_bytes=num_bytes, label=label))
        remote = self._remote_errors()
        try:
            pipeline = Pipeline(None if crew is None else _crewed(crew), options=options)
            build(pipeline, steps)
            result: Any = pipeline.run()
            if _only_builds(options):
                raise NotRunError(_job_built(options, label))
            if self.name == DATAFLOW:
                log.info("%s: Dataflow job %s", label, _console(options, result.job_id()))
            result.wait_until_finish()
        except (ValueError, RuntimeError, OSError, *remote) as error:
            found = _BAD_INPUT.search(str(error))
            if found is not None:
                raise ValueError(found[1].replace("\\n", "\n")) from None
            if isinstance(error, remote):
                raise ValueError(
                    f"{label}: {error}\nFinished parts are kept; the same command goes on from them"
                ) from error
            raise

    def _num_processes(self, num_bytes: int) -> int:
        """Return how many worker processes the pipeline gets; none where it runs in this one."""
        workers = self._num_workers(num_bytes) if self.is_local else 1
        return workers if workers > 1 else 0

    def _num_workers(self, num_bytes: int) -> int:
        if self.workers is not None:
            return self.workers
        return (os.cpu_count() or 1) if num_bytes >= _IN_MEMORY_BYTES else 1

    def _remote_errors(self) -> tuple[type[Exception], ...]:
        """Return what tells of a service's failure and not of a fault in our code."""
        if self.name != DATAFLOW:
            return ()
        from apache_beam.runners.dataflow.dataflow_runner import DataflowRuntimeException
        from google.api_core.exceptions import GoogleAPIError
        from google.auth.exceptions import GoogleAuthError

        return (DataflowRuntimeException, GoogleAPIError, GoogleAuthError)


def _crewed(crew: Crew) -> Any:
    from pipeline.running import crew_runner

    return crew_runner.runner(crew)


class NotRunError(Exception):
    """A job was built as asked and not run, so that there is nothing to commit."""


def _only_builds(options: Any) -> bool:
    given = options.get_all_options()
    return bool(given["template_location"] or given["dry_run"])


def _job_built(options: Any, label: str) -> str:
    template = options.get_all_options()["template_location"]
    if not template:
        return f"{label}: job built and not sent (--dry_run); nothing has run"
    return (
        f"{label}: job template built: {template}; nothing has run. Launch it (gcloud dataflow "
        "jobs run --gcs-location), and when it has finished give this command again without "
        "--template_location: it finds the parts, and goes on"
    )


def _console(options: Any, job: str) -> str:
    given = options.get_all_options()
    jobs = f"https://console.cloud.google.com/dataflow/jobs/{given['region']}"
    return f"{jobs}/{job}?project={given['project']}"


def _check_dataflow(options: Any, engine: Any) -> None:
    """Refuse what Beam would meet with a look-up at Google, for ever where there is no network."""
    from apache_beam.options.pipeline_options import GoogleCloudOptions
    from apache_beam.options.pipeline_options_validator import PipelineOptionsValidator

    given = options.get_all_options()
    missing = [how for name, how in _DATAFLOW_NEEDS.items() if not given[name]]
    if missing:
        raise ValueError(
            f"{DATAFLOW} needs {'; '.join(missing)}: give it in OPTIONS (README, Dataflow)"
        )
    validator = PipelineOptionsValidator(options, engine)
    if not validator.is_service_runner():
        return  # a stand-in for the service on this machine
    cloud = options.view_as(GoogleCloudOptions)
    wrong = validator.validate_cloud_options(cloud)
    wrong += validator.validate_gcs_path(cloud, "temp_location")
    if wrong:
        raise ValueError(f"{DATAFLOW}: {' '.join(wrong)}")


def quiet_beam() -> None:
    """Keep Beam's information lines off the terminal; must run before Beam is imported."""
    for name in ("apache_beam", "root"):
        logging.getLogger(name).setLevel(logging.ERROR)
    log.setLevel(logging.INFO)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    # Fork and threads inside a Beam worker do not go together (tokenizers prints a warning).
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    if not worker.is_debugging():
        for handler in logging.getLogger().handlers:
            handler.addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    """Tell whether a record is more than Beam's account of an error that the user is told of."""
    return worker.BAD_INPUT not in record.getMessage()


def pipeline_options(arguments: Sequence[str]) -> Any:
    """Return Beam's options object.

    Raises:
        ValueError: an option is not known to Beam, which itself would take it in silence, or its
            value is none.
    """
    from apache_beam.options.pipeline_options import PipelineOptions, _BeamArgumentParser

    importlib.import_module("apache_beam.runners.portability.fn_api_runner")
    parser = _BeamArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for known in _all_subclasses(PipelineOptions):
        known._add_argparse_args(parser)
    try:
        _, unknown = parser.parse_known_args(list(arguments))
    except argparse.ArgumentError as error:
        raise ValueError(f"Beam option {error}") from error
    if unknown:
        raise ValueError(
            f"Beam knows no option {' '.join(unknown)}; check the spelling "
            "(https://beam.apache.org/documentation/runners/capability-matrix/ links each runner's)"
        )
    return PipelineOptions(list(arguments))


def _all_subclasses(cls: type) -> list[type]:
    found = {sub.__name__: sub for sub in cls.__subclasses__()}
    return [found[name] for name in sorted(found)]


def build(pipeline: Any, steps: Sequence[StepSpec]) -> None:
    """Add a stage's steps to a Beam pipeline.

    Args:
        pipeline: the Beam pipeline.
        steps: in order; each is planned from the receipts of all before it.
    """
    import apache_beam as beam
    from apache_beam.pvalue import AsList

    from pipeline.running.beam_steps import Do, Plan

    receipts: dict[str, Any] = {}
    for name, plan, do in steps:
        earlier = {key: AsList(done) for key, done in receipts.items()}
        receipts[name] = (
            pipeline
            | f"{name}: begin" >> beam.Impulse()
            | f"{name}: plan" >> beam.ParDo(Plan(plan), **earlier)
            | f"{name}: spread" >> beam.Reshuffle()
            | f"{name}: do" >> beam.ParDo(Do(do))
        )
