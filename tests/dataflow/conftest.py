"""A storage emulator, and the job of every stage, built and staged there and done by a worker."""

import json
import logging
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dataflow_jobs import BUCKET, BUILD, DATA, DUMPS, KNOBS, OPTIONS, SITE, WORK, Job, python

from pipeline import stages


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Serve an empty bucket on loopback; return the environment of a process that sees it."""
    emulator = pytest.importorskip(
        "gcp_storage_emulator.server", reason="extra dev is not installed"
    )
    pytest.importorskip("gcsfs", reason="extra gcp is not installed")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("site")
    (folder / "sitecustomize.py").write_text(SITE)
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


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder outside the repository."""
    return tmp_path_factory.mktemp("elsewhere")


@pytest.fixture(scope="session")
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
    built = python("-c", BUILD, wanted, env=cloud, cwd=elsewhere)
    assert built.returncode == 0, built.stderr
    assert built.stdout.count("job template built") == len(stages.FOLDERS)
    # -I: neither PYTHONPATH nor the current folder is searched.
    worked = python("-I", "-c", WORK, env=cloud, cwd=elsewhere)
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
