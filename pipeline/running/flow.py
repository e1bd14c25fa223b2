"""Run a stage: parts through a Beam pipeline, receipts behind them, a manifest at the end.

A stage is a list of steps. A step turns parts (descriptors of a few hundred bytes) into files and
receipts; the parts of a later step are planned from the receipts of the earlier ones, which is the
barrier between them. Only descriptors and receipts travel through Beam: text and keys stay in
files.
"""

import hashlib
import importlib.metadata
import io
import json
import threading
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa

from corpus import identity, sets, storage
from corpus.progress import Progress
from corpus.sets import Manifest, Receipt
from pipeline.running.runner import Runner
from pipeline.segmenting import segmenters

Receipts = Mapping[str, list[Receipt]]
"""The receipts of the finished steps, by step name, sorted by their parts' names."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """What one Beam element says: which output to make from which input."""

    name: str
    """Unique in its step; file names begin with it."""
    fingerprint: str
    """sha256 over everything that the part's bytes depend on."""
    inputs: dict[str, Any]
    """JSON: paths, ranges, numbers."""
    num_bytes: int = 1
    """Weight in the progress bar."""

    def to_bytes(self) -> bytes:
        """Return the Beam element."""
        return identity.canonical(asdict(self))


@dataclass(kw_only=True)
class Output:
    """Where a part's work puts its files, counts and facts."""

    url: str
    """The step's folder."""
    files: dict[str, sets.File] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def create(self, name: str) -> Iterator[BinaryIO]:
        """Write one file of the part, digested on the way."""
        with storage.create(storage.join(self.url, name)) as file:
            digesting = _Digesting(file)
            yield cast("BinaryIO", digesting)
            digesting.flush()
        self.files[name] = sets.File(
            num_bytes=digesting.num_bytes, sha256=digesting.hasher.hexdigest()
        )

    def count(self, **counts: int) -> None:
        """Add to the part's counts."""
        for name, number in counts.items():
            self.counts[name] = self.counts.get(name, 0) + int(number)


class _Digesting(io.RawIOBase):
    """A file that digests what is written to it; it cannot seek, so the digest is the file's."""

    def __init__(self, file: BinaryIO):
        self._file = file
        self.hasher = hashlib.sha256()
        self.num_bytes = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B") if not isinstance(data, bytes) else data
        self.hasher.update(view)
        self._file.write(view)
        self.num_bytes += len(view)
        return len(view)

    def tell(self) -> int:
        return self.num_bytes


@dataclass(frozen=True, kw_only=True)
class Step:
    """One kind of part."""

    name: str
    """Of the step's folder below the set's, and of its receipts; `parts` lie in the set itself."""
    plan: Callable[[Receipts], list[Part]]
    """Parts from the receipts of the steps before. Pure and picklable: it runs on a worker for
    Beam, and here for the progress bar and the manifest."""
    work: Callable[[Part, Output], None]
    """Writes the part's files. Picklable; a function of the part alone."""

    def url(self, set_url: str) -> str:
        """Return the step's folder in a set."""
        return set_url if self.name == "parts" else storage.join(set_url, "work", self.name)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """All that makes one set."""

    name: str
    """The stage folder."""
    identity: dict[str, Any]
    """What the id is the hash of; see `identify`."""
    steps: list[Step]
    """The last one is called `parts`."""
    facts: Callable[[list[Receipt], str], dict[str, Any]]
    """What the manifest says of all parts (and of the set's folder) together; also where
    conservation is asserted."""
    extra_files: Mapping[str, bytes] = field(default_factory=dict)
    """Small files that the set carries along, by name below its folder."""
    describe: Callable[[Manifest], Mapping[str, bytes]] = lambda manifest: {}
    """More such files, which say what the manifest says: its dataset card."""
    num_bytes: int = 0
    """Of input: decides whether starting worker processes pays."""


def identify(
    *, section: object, version: int, libraries: Mapping[str, str], parents: Mapping[str, str]
) -> dict[str, Any]:
    """Return a set's identity: what its id is the hash of, and nothing else."""
    return {
        "section": section,
        "version": version,
        "libraries": dict(libraries),
        "parents": dict(parents),
    }


def part_fingerprint(stage: str, step: str, *content: object) -> str:
    """Return the fingerprint of a part from all that its bytes depend on."""
    return identity.fingerprint([sets.FORMAT_VERSION, stage, step, *content])


def do_part(part: Part, *, step: str, siblings: list[str], work: Callable[[Part, Output], None]):
    """Make one part, or find it made: here, or by an earlier run in a sibling folder.

    Returns:
        The part's receipt, after it and all its files are in place.
    """
    for place in (step, *siblings):
        receipt = sets.read_receipt(place, part.fingerprint)
        if receipt is None or not sets.is_whole(place, receipt):
            continue
        if place != step:
            for name in receipt.files:
                storage.link(storage.join(place, name), storage.join(step, name))
            sets.commit_part(step, receipt)
        return receipt
    output = Output(url=step)
    work(part, output)
    receipt = Receipt(
        name=part.name,
        fingerprint=part.fingerprint,
        files=output.files,
        counts=output.counts,
        facts=output.facts,
    )
    sets.commit_part(step, receipt)
    # Arrow keeps what it has freed for the next part, which may be of another step and need less.
    pa.default_memory_pool().release_unused()
    return receipt


def make(stage: Stage, *, data: str, runner: Runner) -> tuple[Manifest, bool]:
    """Make a set unless it is finished.

    Returns:
        The manifest, and whether anything had to be done.

    Raises:
        ValueError: an input is bad; the message says what, where and the cure.
    """
    url = sets.folder(data, stage.name, sets.set_id(stage.name, stage.identity))
    if sets.has_manifest(url):
        return sets.read_manifest(url), False
    if len(stage.steps) == 1 and not stage.steps[0].plan({}):
        # A pinned tokenizer, say. An empty job on Dataflow takes minutes and costs money.
        return _commit(stage, url), True
    sets.sweep(url)
    siblings = [
        sets.folder(data, stage.name, name)
        for name in storage.names(storage.join(data, stage.name))
        if sets.folder(data, stage.name, name) != url
    ]
    stop = threading.Event()
    watcher = threading.Thread(target=_show_progress, args=(stage, url, stop), daemon=True)
    watcher.start()
    try:
        runner.run(
            [
                (
                    step.name,
                    step.plan,
                    _Doer(
                        step=step,
                        url=url,
                        siblings=siblings,
                        # Local workers are this very installation.
                        environment={} if runner.is_local else environment(stage.identity),
                    ),
                )
                for step in stage.steps
            ],
            label=f"{stage.name}-{sets.set_id(stage.name, stage.identity)}",
            num_bytes=stage.num_bytes,
        )
    finally:
        stop.set()
        watcher.join()
    return _commit(stage, url), True


@dataclass(frozen=True, kw_only=True)
class _Doer:
    """`do_part` with all but the part filled in; what a Beam worker unpickles."""

    step: Step
    url: str
    siblings: list[str]
    environment: dict[str, str]
    """What the set's identity claims of the worker; checked by each."""

    def __call__(self, element: bytes) -> bytes:
        refuse_other(self.environment)
        part = Part(**json.loads(element))
        receipt = do_part(
            part,
            step=self.step.url(self.url),
            siblings=[self.step.url(sibling) for sibling in self.siblings],
            work=self.step.work,
        )
        return identity.canonical(sets.receipt_to_json(receipt))


def environment(what: Mapping[str, Any]) -> dict[str, str]:
    """Return what a worker must have to make a set of this identity: our code and libraries."""
    return {"gristmill": _installed("gristmill"), **what["libraries"]}


@cache
def _installed(name: str) -> str:
    if name == "unicode":
        return unicodedata.unidata_version
    if name == "icu":
        return segmenters.installed().get(name, "not installed")
    if name == "segmenter":
        return str(segmenters.VERSION)
    if name != "gristmill":
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            return "not installed"
    # An image made before the last edit has the same version number, but not the same code.
    packages = [Path(__file__).parents[1], Path(sets.__file__).parent]
    return identity.fingerprint(
        [
            [path.relative_to(package).as_posix(), path.read_text()]
            for package in packages
            for path in sorted(package.rglob("*.py"))
        ]
    )[:16]


def refuse_other(wanted: Mapping[str, str]) -> None:
    """Check that this process has the code and libraries that the run was planned with.

    Raises:
        ValueError: something differs, so the set would not be what its id says.
    """
    other = [
        f"{name} {_installed(name)} (planned with {version})"
        for name, version in wanted.items()
        if _installed(name) != version
    ]
    if other:
        raise ValueError(
            f"the worker has {', '.join(other)}; build the worker image from this checkout "
            "(pipeline/worker.Dockerfile) and name it in --sdk_container_image"
        )


def _commit(stage: Stage, url: str) -> Manifest:
    """Write the manifest of a set whose parts are all in place."""
    done: dict[str, list[Receipt]] = {}
    for step in stage.steps:
        done[step.name] = _by_name(_receipt(step.url(url), part) for part in step.plan(done))
    receipts = done["parts"]
    manifest = Manifest(
        stage=stage.name,
        id=sets.set_id(stage.name, stage.identity),
        identity=stage.identity,
        counts=sets.sum_counts(receipts),
        parts=tuple(receipts),
        facts=stage.facts(receipts, url),
    )
    files = {**stage.extra_files, **stage.describe(manifest)}
    for name, data in sorted(files.items()):
        storage.write_bytes(storage.join(url, name), data)
        manifest.files[name] = sets.File(num_bytes=len(data), sha256=identity.digest(data))
    storage.write_bytes(storage.join(url, sets.MANIFEST), manifest.to_bytes())
    return manifest


def _by_name(receipts: Iterable[Receipt]) -> list[Receipt]:
    return sorted(receipts, key=lambda receipt: receipt.name)


def _receipt(step: str, part: Part) -> Receipt:
    receipt = sets.read_receipt(step, part.fingerprint)
    assert receipt is not None, f"{step}: {part.name} has no receipt after its step"
    return receipt


def _show_progress(stage: Stage, url: str, stop: threading.Event) -> None:
    """Follow the receipts as they appear, a bar for each step."""
    done: dict[str, list[Receipt]] = {}
    for step in stage.steps:
        try:
            parts = step.plan(done)
        except ValueError:
            return  # the run itself meets the same error and reports it
        wanted = {part.fingerprint: part.num_bytes for part in parts}
        label = stage.name if len(stage.steps) == 1 else f"{stage.name}: {step.name}"
        unit = "B" if sum(wanted.values()) > len(wanted) else " parts"
        with Progress(label, total=sum(wanted.values()), unit=unit) as progress:
            stopped = False
            while True:
                found = storage.names(storage.join(step.url(url), "receipts"))
                present = {name.removesuffix(".json") for name in found} & wanted.keys()
                progress.update(
                    sum(wanted[fingerprint] for fingerprint in present),
                    note=f"{len(present)}/{len(wanted)} parts",
                )
                if len(present) == len(wanted):
                    break
                if stopped:
                    return
                # Once more after the run's end, which mostly comes between two looks.
                stopped = stop.wait(0.5)
        receipts = [sets.read_receipt(step.url(url), part.fingerprint) for part in parts]
        done[step.name] = _by_name(receipt for receipt in receipts if receipt is not None)
