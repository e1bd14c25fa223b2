"""Dataflow as far as it goes without Google: every stage's job is built and staged, offline.

A storage emulator on loopback stands in for gs://. What it then holds, the job's JSON and the
pipeline with its pickled steps, is what Dataflow and its workers would get; it is looked at, and
run in a fresh interpreter that has nothing of this checkout but what is installed. No job has ever
run on Dataflow itself.
"""

import base64
import bz2
import json
import logging
import os
import re
import socket
import subprocess
import sys
import tempfile
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import apache_beam
import pytest

from corpus import identity
from pipeline import stages
from pipeline.running import flow

emulator = pytest.importorskip("gcp_storage_emulator.server", reason="extra dev is not installed")
pytest.importorskip("gcsfs", reason="extra gcp is not installed")

ROOT = Path(__file__).resolve().parent.parent
BUCKET = "gristmill-test"
DATA = f"gs://{BUCKET}/corpus"
DUMPS = [f"gs://{BUCKET}/raw/{name}.xml.bz2" for name in ("one", "two")]
IMAGE = "europe-west1-docker.pkg.dev/my-project/gristmill/worker:0.1.0"
OPTIONS = [
    "--project=my-project",
    "--region=europe-west1",
    f"--temp_location=gs://{BUCKET}/staging",
    f"--sdk_container_image={IMAGE}",
    "--sdk_location=container",
]
KNOBS = [
    "--max_num_workers=7",
    "--num_workers=2",
    "--worker_machine_type=n2-highmem-8",
    "--disk_size_gb=50",
    "--flexrs_goal=COST_OPTIMIZED",
    "--labels=team=text",
]

# Credentials for the emulator: none. google.auth would look for a metadata server instead.
_SITE = """
import google.auth
from google.auth.credentials import AnonymousCredentials

google.auth.default = lambda *args, **kwargs: (AnonymousCredentials(), "my-project")
"""

# Make every set with the local runner; then take them away from the last to the first, and ask
# for the job that would make each.
_BUILD = """
import json, sys
from pathlib import Path
from corpus import sets, storage
from pipeline import stages
from pipeline.__main__ import main

dumps, recipe, data, bucket, options = json.loads(sys.argv[1])
for path, url in dumps.items():
    storage.write_bytes(url, Path(path).read_bytes())
assert main(["shards", "--recipe", recipe, "--data", data]) == 0
pointers = sets.read_corpus(data, "test")
jobs = {}
for command, folder in reversed(stages.FOLDERS.items()):
    url = sets.folder(data, folder, pointers[folder])
    places = {step: storage.join(url, "work", step) for step in storage.names(url + "/work")}
    places["parts"] = url
    receipts = {}
    for step, place in places.items():
        names = storage.names(storage.join(place, "receipts"))
        receipts[step] = [storage.read_bytes(f"{place}/receipts/{name}").decode() for name in names]
    storage.remove(url)
    template = f"{bucket}/templates/{command}.json"
    arguments = [command, "--recipe", recipe, "--data", data, "--runner", "DataflowRunner"]
    assert main([*arguments, *options, f"--template_location={template}"]) == 0
    job = json.loads(storage.read_bytes(template))
    staged = job["environment"]["sdkPipelineOptions"]["options"]["pipelineUrl"]
    jobs[command] = {
        "set": f"{folder}-{pointers[folder]}",
        "places": places,
        "receipts": receipts,
        "template": job,
        "graph": storage.read_bytes(staged).hex(),
        "staged": storage.names(staged.rsplit("/", 1)[0]),
        "left": [*storage.names(url), *storage.names(data + "/.lock")],
    }
Path("jobs.json").write_text(json.dumps(jobs))
"""

# A worker: the staged pipeline, what is installed, and no more. FnApiRunner takes Dataflow's
# place; the environment it gives to the steps is this interpreter instead of the image.
_WORK = """
import importlib, json, sys
from pathlib import Path
from apache_beam.internal import pickler
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability import python_urns
from apache_beam.portability.api import beam_runner_api_pb2 as api
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from corpus import storage

def work_on(job):
    graph = api.Pipeline.FromString(bytes.fromhex(job["graph"]))
    for environment in graph.components.environments.values():
        environment.Clear()
        environment.urn = python_urns.EMBEDDED_PYTHON
    FnApiRunner().run_via_runner_api(graph, PipelineOptions([])).wait_until_finish()
    receipts = {}
    for step, place in job["places"].items():
        names = storage.names(storage.join(place, "receipts"))
        receipts[step] = [storage.read_bytes(f"{place}/receipts/{name}").decode() for name in names]
    made = {"receipts": receipts, "elements": {}, "importable": [], "guards": []}
    for transform in graph.components.transforms.values():
        step, _, role = transform.unique_name.partition(": ")
        if role in ("plan", "do"):
            payload = api.ParDoPayload.FromString(transform.spec.payload).do_fn.payload
            function, _, earlier, *_ = pickler.loads(payload)
        if role == "plan":
            sides = {name: [receipt.encode() for receipt in receipts[name]] for name in earlier}
            planned = list(function.process(b"", **sides))
            made["elements"][step] = [element.decode() for element in planned]
        if role == "do":
            work = function._do.step.work
            work = getattr(work, "func", work)
            module = importlib.import_module(work.__module__)
            made["importable"].append(getattr(module, work.__name__) is work)
            made["guards"].append(getattr(function, "_guard_pid", None))
    return made

jobs = json.loads(Path("jobs.json").read_text())
done = {command: work_on(job) for command, job in reversed(jobs.items())}
done["worker"] = {"path": sys.path, "torch": "torch" in sys.modules}
Path("done.json").write_text(json.dumps(done))
"""


@dataclass(frozen=True)
class Job:
    """What building one stage's job left in the bucket, and what a worker then made of it."""

    set: str
    """The set's folder and id."""
    template: dict[str, Any]
    graph: Any
    """The pipeline, as staged."""
    staged: list[str]
    """Names of all that was staged."""
    left: list[str]
    """Names in the set's folder after the job was built."""
    receipts: dict[str, list[str]]
    """Of the set that the local runner made, by step."""
    made: dict[str, Any]
    """What the worker made."""


def _python(*arguments: str, env: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **env},
        cwd=cwd,
        check=False,
        timeout=120,
    )


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Serve an empty bucket on loopback; return the environment of a process that sees it."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("site")
    (folder / "sitecustomize.py").write_text(_SITE)
    # It logs every file that is not there yet as an error.
    logging.getLogger("gcp_storage_emulator").setLevel(logging.CRITICAL)
    server = emulator.create_server("127.0.0.1", port, in_memory=True, default_bucket=BUCKET)
    server.start()
    yield {
        "STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{port}",
        "PYTHONPATH": str(folder),
        "NO_GCE_CHECK": "true",
        # The look-up of a bucket's kind goes over gRPC, which the emulator does not speak.
        "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
        # Whatever is meant for elsewhere fails at once, on machines with a network too.
        "HTTP_PROXY": "http://127.0.0.1:9",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": "127.0.0.1,localhost",
    }
    server.stop()


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder outside the repository."""
    return tmp_path_factory.mktemp("elsewhere")


@pytest.fixture(scope="module")
def jobs(
    cloud: dict[str, str],
    elsewhere: Path,
    make_dump: Callable[..., Path],
    write_recipe: Callable[..., Path],
) -> dict[str, Job]:
    """Build the job of every stage, and let a worker do each."""
    from apache_beam.portability.api import beam_runner_api_pb2 as api

    dumps = {
        str(make_dump(elsewhere / f"{seed}.xml.bz2", num_articles=12, seed=seed)): url
        for seed, url in enumerate(DUMPS)
    }
    recipe = write_recipe(elsewhere / "recipe.toml", DUMPS)
    options = [*OPTIONS, *KNOBS, "--no_auth"]
    wanted = json.dumps([dumps, str(recipe), DATA, f"gs://{BUCKET}", options])
    built = _python("-c", _BUILD, wanted, env=cloud, cwd=elsewhere)
    assert built.returncode == 0, built.stderr
    assert built.stdout.count("job template built") == len(stages.FOLDERS)
    # -I: neither PYTHONPATH nor the current folder is searched.
    worked = _python("-I", "-c", _WORK, env=cloud, cwd=elsewhere)
    assert worked.returncode == 0, worked.stderr
    done = json.loads((elsewhere / "done.json").read_text())
    assert str(elsewhere) not in done["worker"]["path"]
    assert not done["worker"]["torch"], "a worker has no torch"
    return {
        command: Job(
            set=job["set"],
            template=job["template"],
            graph=api.Pipeline.FromString(bytes.fromhex(job["graph"])),
            staged=job["staged"],
            left=job["left"],
            receipts=job["receipts"],
            made=done[command],
        )
        for command, job in json.loads((elsewhere / "jobs.json").read_text()).items()
    }


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


# Give the command line each of some lists of arguments; say what it said, and what it asked of the
# network where that is forbidden.
_EACH = """
import contextlib, io, json, logging, socket, sys
from pipeline.__main__ import main

asked = []
def refuse(*address, **kwargs):
    asked.append(str(address))
    raise OSError("no network in this test")

commands, is_alone = json.loads(sys.argv[1])
if is_alone:
    socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
said = []
for arguments in commands:
    logging.getLogger().handlers.clear()
    with contextlib.redirect_stderr(io.StringIO()) as errors:
        with contextlib.redirect_stdout(io.StringIO()) as output:
            status = main(arguments)
    said.append({"status": status, "output": output.getvalue(), "errors": errors.getvalue()})
print(json.dumps({"said": said, "asked": asked}))
"""

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
    done = _python("-c", _EACH, json.dumps([commands, True]), env={}, cwd=folder)
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
    done = _python("-c", _EACH, json.dumps([commands, False]), env=cloud, cwd=elsewhere)
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


def test_a_worker_of_other_code_or_libraries_refuses_to_work():
    libraries = {**identity.libraries("pyarrow"), "unicode": unicodedata.unidata_version}
    here = flow.environment({"libraries": libraries})
    flow.refuse_other(here)
    for name in here:
        with pytest.raises(ValueError, match=rf"the worker has {name} .* \(planned with other\)"):
            flow.refuse_other({**here, name: "other"})


LOCKS = ROOT / ".constraints"
DOCKERFILE = ROOT / "pipeline" / "worker.Dockerfile"


def _locked(name: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==([^ ;\\]+)", (LOCKS / name).read_text(), re.MULTILINE))


def test_the_worker_image_has_the_locked_beam_and_the_python_of_the_locks():
    base = re.findall(r"^FROM (\S+)", DOCKERFILE.read_text(), re.MULTILINE)
    python = re.search(r"--python-version (\S+)", (LOCKS / "lock.sh").read_text())
    assert python is not None
    assert base == [f"apache/beam_python{python[1]}_sdk:{_locked('worker.txt')['apache-beam']}"]


def test_all_that_the_worker_image_copies_is_there():
    lines = re.findall(r"^COPY (.+)", DOCKERFILE.read_text(), re.MULTILINE)
    sources = [source for line in lines for source in line.split()[:-1]]
    assert {"corpus", "pipeline", ".constraints/worker.txt"} <= set(sources)
    assert [source for source in sources if not (ROOT / source).exists()] == []


def test_the_worker_lock_has_hashes_and_nothing_for_training():
    text = (LOCKS / "worker.txt").read_text()
    names = _locked("worker.txt")
    assert len(names) > 50
    for entry in re.split(r"^(?=[a-z])", text, flags=re.MULTILINE):
        assert not entry.strip() or "--hash=sha256:" in entry, entry[:80]
    assert not {"torch", "deepspeed", "transformers"} & set(names)
    assert not [name for name in names if name.startswith("nvidia-")]


def test_workers_and_drivers_are_locked_to_the_same_libraries():
    # These are in the sets' identities, or decide what a worker can unpickle.
    shared = ["apache-beam", "datasets", "datasketch", "ftfy", "numpy", "pyarrow", "tokenizers"]
    worker = _locked("worker.txt")
    for lock in ("train.txt", "dev.txt"):
        other = _locked(lock)
        for name in [*shared, "xxhash", "fsspec"]:
            assert worker[name] == other[name], (lock, name)
