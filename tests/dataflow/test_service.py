"""Submission, failure and completion of a job, on a stand-in for Dataflow's service."""

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from dataflow_jobs import DATA, EACH, OPTIONS, Job, python


class _Service(BaseHTTPRequestHandler):
    """As much of Dataflow's REST interface as it takes to submit one job and learn its end."""

    state = ""
    """What becomes of the job; empty: it is refused."""
    message = ""
    """The job's one error message."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.state:
            begun = "JOB_STATE_DONE" if self.state.endswith("DONE") else "JOB_STATE_RUNNING"
            self._answer(200, {"id": "job-1", "currentState": begun})
        else:
            self._answer(403, {"error": {"code": 403, "message": "the API is not enabled"}})

    def do_GET(self) -> None:
        if "/messages" not in self.path:
            self._answer(200, {"id": "job-1", "currentState": self.state})
            return
        error = {
            "id": "1",
            "time": "2026-01-01T00:00:00Z",
            "messageImportance": "JOB_MESSAGE_ERROR",
            "messageText": self.message,
        }
        self._answer(200, {"jobMessages": [error]})

    def _answer(self, status: int, value: dict[str, Any]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(value).encode())

    def log_request(self, code: object = "", size: object = "") -> None:
        pass


SERVICES = {
    "never asked": {"options": ["--dry_run=True"]},
    "refuses": {},
    "fails": {
        "state": "JOB_STATE_FAILED",
        "message": "Traceback (most recent call last): ... ValueError: \u27e6bad input\u27e7"
        "gs://b/one.xml: truncated\u27e6end\u27e7 [while running 'parts: do']",
    },
    "has done it": {"state": "JOB_STATE_DONE"},
}
"""Stand-ins for the service, in the order in which they are tried."""


@pytest.fixture(scope="module")
def answers(
    cloud: dict[str, str], elsewhere: Path, jobs: dict[str, Job]
) -> dict[str, dict[str, Any]]:
    """Ask each of the services for the documents.

    The parts of all sets are there, since a worker has made them; the manifests are not.
    """
    assert jobs
    servers, commands = [], []
    for service in SERVICES.values():
        answer = {"state": service.get("state", ""), "message": service.get("message", "")}
        servers.append(HTTPServer(("127.0.0.1", 0), type("Service", (_Service,), answer)))
        Thread(target=servers[-1].serve_forever, daemon=True).start()
        endpoint = f"--dataflow_endpoint=http://localhost:{servers[-1].server_port}"
        command = ["documents", "--recipe", "recipe.toml", "--data", DATA, "--no_auth", endpoint]
        command += ["--runner", "DataflowRunner", *OPTIONS, *service.get("options", [])]
        commands.append(command)
    done = python("-c", EACH, json.dumps([commands, False]), env=cloud, cwd=elsewhere)
    for server in servers:
        server.shutdown()
        server.server_close()
    assert done.returncode == 0, done.stderr
    return dict(zip(SERVICES, json.loads(done.stdout)["said"], strict=True))


def test_a_dry_run_builds_the_job_and_sends_nothing(answers: dict[str, dict[str, Any]]):
    answer = answers["never asked"]
    assert answer["status"] == 0
    assert "job built and not sent" in answer["output"]
    assert "made" not in answer["output"]


def test_a_job_that_the_service_refuses_is_an_error_and_not_a_traceback(
    answers: dict[str, dict[str, Any]],
):
    answer = answers["refuses"]
    assert answer["status"] == 2
    assert "error: documents-" in answer["errors"]
    assert "the API is not enabled" in answer["errors"]
    assert "Traceback" not in answer["errors"]


def test_bad_input_that_a_worker_met_is_told_as_a_local_run_tells_it(
    answers: dict[str, dict[str, Any]],
):
    answer = answers["fails"]
    assert answer["status"] == 2
    assert answer["errors"].endswith("error: gs://b/one.xml: truncated\n")
    assert "console.cloud.google.com/dataflow/jobs/europe-west1/job-1?" in answer["errors"]


def test_after_the_service_has_done_a_job_its_parts_are_committed(
    answers: dict[str, dict[str, Any]], jobs: dict[str, Job]
):
    answer = answers["has done it"]
    assert answer["status"] == 0
    folder, identifier = jobs["documents"].set.split("-")
    assert f"documents: made: {DATA}/{folder}/{identifier}\n" in answer["output"]
