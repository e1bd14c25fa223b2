"""Beam's local runner with the workers of a Crew. Imports Beam, so it is imported late."""

import threading
from contextlib import suppress
from functools import partial
from typing import Any

from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.runners.portability.fn_api_runner.worker_handlers import (
    GrpcWorkerHandler,
    WorkerHandler,
)
from apache_beam.transforms.environments import Environment
from google.protobuf import json_format, text_format

from pipeline.running import worker
from pipeline.running.crew import Crew

_URN = "gristmill:environment:crew:v1"
_DIED = (
    "a worker process has ended before its time; if the system killed it for want of memory, give "
    "fewer --workers. Finished parts are kept; the same command goes on from them"
)


class CrewEnvironment(Environment):
    """Names the workers of a Crew in a pipeline; carries nothing."""

    def to_runner_api_parameter(self, context: Any) -> tuple[str, bytes]:
        """Return the URN and payload."""
        return _URN, b""

    @staticmethod
    def from_runner_api_parameter(
        payload: bytes, capabilities: Any, artifacts: Any, resource_hints: Any, context: Any
    ) -> "CrewEnvironment":
        """Return the environment of a pipeline that was read back."""
        return CrewEnvironment(capabilities, artifacts, resource_hints)


_register: Any = Environment.register_urn  # its types in Beam are those of another use
_register(_URN, bytes, CrewEnvironment.from_runner_api_parameter)


class CrewWorkerHandler(GrpcWorkerHandler):
    """How the runner starts and stops one worker: a member of a Crew that is free."""

    def __init__(self, *arguments: Any, crew: Crew):
        """Take what Beam gives every handler, of which the payload does not matter."""
        super().__init__(*arguments[1:])
        self._crew = crew
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._is_stopped = threading.Event()

    def start_worker(self) -> None:
        """Name the pipeline to a worker."""
        options = self.provision_info.provision_info.pipeline_options
        control = text_format.MessageToString(self.control_api_service_descriptor())
        self._link = self._crew.send(
            {
                "CONTROL_API_SERVICE_DESCRIPTOR": control,
                "PIPELINE_OPTIONS": json_format.MessageToJson(options),
                "WORKER_ID": self.worker_id,
            }
        )
        self._watcher.start()

    def stop_worker(self) -> None:
        """Wait for the worker to leave the pipeline, whose channels are closed by now."""
        self._is_stopped.set()
        if self._watcher.is_alive():
            self._watcher.join()

    def _watch(self) -> None:
        """Wait for the worker to be done; if it dies, end what waits for its answers.

        Of a worker that dies before it has called, Beam would never know.
        """
        if self._crew.wait(self._link):
            return
        died = RuntimeError(str(worker.bad_input(_DIED)))
        while not self._is_stopped.wait(0.1):
            # Others may add an answer to wait for at the same time; the next round has it.
            with suppress(RuntimeError):
                self.control_conn.abort(died)


def runner(crew: Crew) -> FnApiRunner:
    """Return Beam's local runner, with the workers of a crew."""
    WorkerHandler.register_environment(_URN, bytes)(partial(CrewWorkerHandler, crew=crew))
    return FnApiRunner(default_environment=CrewEnvironment())
