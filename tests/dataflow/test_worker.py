"""A worker has the code and the libraries of the machine that starts the run."""

import re
import unicodedata
from pathlib import Path

import pytest

from corpus import identity
from pipeline.running import flow

ROOT = Path(__file__).resolve().parents[2]
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
    shared += ["gigatoken", "icu4py"]
    worker = _locked("worker.txt")
    for lock in ("train.txt", "dev.txt"):
        other = _locked(lock)
        for name in [*shared, "xxhash", "fsspec"]:
            assert worker[name] == other[name], (lock, name)


def test_a_worker_of_other_code_or_libraries_refuses_to_work():
    libraries = {**identity.libraries("pyarrow"), "unicode": unicodedata.unidata_version}
    here = flow.environment({"libraries": libraries})
    flow.refuse_other(here)
    for name in here:
        with pytest.raises(ValueError, match=rf"the worker has {name} .* \(planned with other\)"):
            flow.refuse_other({**here, name: "other"})
