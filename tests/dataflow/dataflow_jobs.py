"""What the tests of Dataflow share: options, and what other interpreters are asked to do."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
SITE = """
import google.auth
from google.auth.credentials import AnonymousCredentials

google.auth.default = lambda *args, **kwargs: (AnonymousCredentials(), "my-project")
"""

# Make every set with the local runner; then take them away from the last to the first, and ask
# for the job that would make each.
BUILD = """
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
WORK = """
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

# Give the command line each of some lists of arguments; say what it said, and what it asked of the
# network where that is forbidden.
EACH = """
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


def python(*arguments: str, env: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **env},
        cwd=cwd,
        check=False,
        timeout=120,
    )
