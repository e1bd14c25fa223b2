"""Fixtures for all tests. The text in them is generated here; nothing comes from elsewhere."""

import bz2
import gzip
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
from hypothesis import settings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# gcsfs looks at this when it is imported. Its look-up of a bucket's kind goes over gRPC, which an
# emulator does not speak, and waits for ever.
os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")

settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile("ci", max_examples=100, deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

ROOT = Path(__file__).resolve().parent.parent
REAL_DATA = ROOT.parent / "shared" / "data"

_WORDS = (
    "river stone market bridge winter harvest engine letter garden window captain village music",
    "forest silver machine paper summer island doctor church student valley kitchen battle",
    "science mountain painter railway library teacher ocean farmer castle museum theatre harbour",
    "copper weather journey history winner planet sister cotton signal answer basket candle",
    "desert dinner family finger hammer helmet jacket ladder leader lesson mirror number orange",
    "palace pencil pepper pocket prison rabbit record school season shadow spring street temple",
)
WORDS = [word for line in _WORDS for word in line.split()]
VERBS = ["built", "carried", "crossed", "found", "helped", "kept", "left", "made", "moved", "saw"]


def sentence(rng: random.Random) -> str:
    """Return a grammatical sentence of generated words."""
    subject, thing, place = (rng.choice(WORDS) for _ in range(3))
    year = rng.randint(1700, 2020)
    forms = (
        f"The {subject} {rng.choice(VERBS)} the {thing} of the {place} in {year}.",
        f"In {year} a {subject} and a {thing} {rng.choice(VERBS)} that {place}.",
        f"They {rng.choice(VERBS)} the old {thing} with a {subject} near the {place}.",
        f"It is said to be the {place} that the {subject} {rng.choice(VERBS)} for {year} days.",
    )
    return rng.choice(forms)


def article(seed: int, *, num_sentences: int = 40) -> str:
    """Return wikitext of an article: headings, links, a template, a reference, paragraphs."""
    rng = random.Random(seed)
    lines = [f"'''Article {seed}''' is about the [[{rng.choice(WORDS)}|thing]]."]
    for number in range(num_sentences):
        lines.append(sentence(rng))
        if number % 8 == 7:
            lines.append(f"\n\n== The {rng.choice(WORDS)} ==\n\n")
        if number % 11 == 5:
            lines.append("<ref>A source</ref> It is {{convert|12|km|mi}} long.")
    return " ".join(lines) + "\n\n[[Category:Generated]]\n"


def page_xml(number: int, text: str, *, namespace: int = 0, redirect: bool = False) -> str:
    """Return one page of a MediaWiki export."""
    target = '<redirect title="Elsewhere" />' if redirect else ""
    return (
        f"  <page>\n    <title>Article {number}</title>\n    <ns>{namespace}</ns>\n"
        f"    <id>{number}</id>\n    {target}\n    <revision>\n      <id>{number + 1}</id>\n"
        f'      <text xml:space="preserve">{escape(text)}</text>\n'
        "    </revision>\n  </page>\n"
    )


def dump_xml(pages: Sequence[str]) -> bytes:
    """Return a whole export."""
    head = (
        '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" '
        'xml:lang="en">\n  <siteinfo>\n    <sitename>Test</sitename>\n    <namespaces>\n'
        '      <namespace key="0" case="first-letter" />\n'
        '      <namespace key="14" case="first-letter">Category</namespace>\n'
        "    </namespaces>\n  </siteinfo>\n"
    )
    return (head + "".join(pages) + "</mediawiki>\n").encode()


def pages_with_copies(num_articles: int, *, seed: int = 0) -> list[str]:
    """Return articles with a redirect, a talk page, a stub, an exact and a near copy."""
    texts = [article(seed * 100_000 + n) for n in range(num_articles)]
    pages = [page_xml(seed * 100_000 + n + 1, text) for n, text in enumerate(texts)]
    base = seed * 100_000 + 50_000
    near = texts[0].replace("The ", "That ", 2)
    pages.append(page_xml(base + 1, texts[0]))
    pages.append(page_xml(base + 2, near))
    pages.append(page_xml(base + 3, "Too short."))
    pages.append(page_xml(base + 4, "#REDIRECT [[Elsewhere]]", redirect=True))
    pages.append(page_xml(base + 5, "Talk talk talk.", namespace=1))
    return pages


@pytest.fixture(scope="session")
def make_dump() -> Callable[..., Path]:
    """Return a function that writes a dump; its ending decides how it is compressed.

    `streams` cuts a bz2 dump into that many bz2 streams, at any byte.
    """

    def make(path: Path, *, num_articles: int = 30, seed: int = 0, streams: int = 1) -> Path:
        content = dump_xml(pages_with_copies(num_articles, seed=seed))
        if path.suffix == ".bz2":
            size = -(-len(content) // streams)
            content = b"".join(
                bz2.compress(content[at : at + size]) for at in range(0, len(content), size)
            )
        elif path.suffix == ".gz":
            content = gzip.compress(content, mtime=0)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    return make


_RECIPE = """
name = "test"

[[source]]
name = "wiki"
kind = "wikipedia"
paths = [{paths}]
rules = {{ preset = "wiki"{rules} }}

[matches]
num_permutations = 64
bands = 16

[fates]
near_duplicate = {near_duplicate}
held_out = 0.3

[tokenizer]
{tokenizer}

[shards]
row_lengths = [{row_lengths}]
"""


@pytest.fixture(scope="session")
def write_recipe() -> Callable[..., Path]:
    """Return a function that writes a corpus recipe over some dumps."""

    def write(
        path: Path,
        dumps: Sequence[Path | str],
        *,
        near_duplicate: float = 0.8,
        rules: str = "",
        tokenizer: str = "vocabulary = 512",
        row_lengths: str = "64",
        extra: str = "",
    ) -> Path:
        text = _RECIPE.format(
            paths=", ".join(f'"{dump}"' for dump in dumps),
            near_duplicate=near_duplicate,
            rules=f", {rules}" if rules else "",
            tokenizer=tokenizer,
            row_lengths=row_lengths,
        )
        path.write_text(text + extra)
        return path

    return write


@pytest.fixture(scope="session")
def command() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs one of our commands as a user would, in another process."""

    def run(
        *arguments: str | Path, env: dict[str, str] | None = None, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", *map(str, arguments)],
            capture_output=True,
            text=True,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def shard_digests() -> Callable[[Path], dict[str, str]]:
    """Return a function that gives the sha256 of every file of the finished sets in DATA."""

    def digests(data: Path) -> dict[str, str]:
        import hashlib

        return {
            str(path.relative_to(data)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(data.rglob("*"))
            if path.is_file() and not path.name.startswith(".") and path.name != "digests.json"
        }

    return digests


@dataclass(frozen=True)
class Unbroken:
    """What one run in one process, without any mishap, made of six dumps."""

    dumps: list[Path]
    recipe: Path
    data: Path
    """Never changed by a test; see `copy`."""
    digests: dict[str, str]

    def copy(self, target: Path, *, without: Sequence[str] = ()) -> Path:
        """Return a copy of the DATA folder that lacks some stages' sets."""
        shutil.copytree(self.data, target, ignore=lambda _, names: set(without) & set(names))
        return target


@pytest.fixture(scope="session")
def unbroken(tmp_path_factory, make_dump, write_recipe, command, shard_digests) -> Unbroken:
    """Return the finished sets that other runs' are compared with."""
    folder = tmp_path_factory.mktemp("unbroken")
    dumps = [
        make_dump(folder / "raw" / f"{seed}.xml.bz2", num_articles=5, seed=seed)
        for seed in range(1, 7)
    ]
    recipe = write_recipe(folder / "recipe.toml", dumps, row_lengths="32, 64")
    data = folder / "data"
    done = command("pipeline", "shards", "--recipe", recipe, "--data", data, "--workers", "1")
    assert done.returncode == 0, done.stderr
    return Unbroken(dumps=dumps, recipe=recipe, data=data, digests=shard_digests(data))


@pytest.fixture
def refused(capsys) -> Callable[..., str]:
    """Return a function that runs the pipeline, sees it refused, and gives what it said."""

    from pipeline.__main__ import main

    def run(stage: str, recipe: str | Path, data: str | Path, *options: str | Path) -> str:
        capsys.readouterr()
        arguments = [stage, "--recipe", recipe, "--data", data, *options]
        assert main([str(argument) for argument in arguments]) == 2
        said = capsys.readouterr().err.splitlines()
        assert len(said) == 1, said
        assert said[0].startswith("error: ")
        return said[0].removeprefix("error: ")

    return run


@pytest.fixture
def assert_all_whole() -> Callable[[Path], None]:
    """Return a function that checks every receipt, and that no temporary name is left."""
    from corpus import sets

    def check(data: Path) -> None:
        assert not list(data.rglob("*.tmp"))
        for path in data.rglob("receipts/*.json"):
            receipt = sets.receipt_from_json(json.loads(path.read_bytes()))
            assert sets.is_whole(str(path.parent.parent), receipt)

    return check


@pytest.fixture(scope="session")
def s3_address() -> Iterator[str]:
    """Serve an S3 store, moto, on loopback; return its host and port."""
    moto = pytest.importorskip("moto.server", reason="extra dev is not installed")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def s3_bucket(s3_address: str) -> Callable[..., AbstractContextManager[Any]]:
    """Return what makes an empty bucket; this process and its children find it while it is there.

    `address` is that of a proxy before the store.
    """
    fsspec = pytest.importorskip("fsspec")

    @contextmanager
    def bucket(name: str, *, address: str = s3_address) -> Iterator[Any]:
        kind = fsspec.get_filesystem_class("s3")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL", f"http://{address}")
            patch.setenv("AWS_ACCESS_KEY_ID", "tests")
            patch.setenv("AWS_SECRET_ACCESS_KEY", "tests")
            patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
            for absent in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "HTTP_PROXY", "http_proxy"):
                patch.delenv(absent, raising=False)
            kind.clear_instance_cache()
            store = fsspec.filesystem("s3")
            store.mkdir(name)
            yield store
            store.rm(name, recursive=True)
            kind.clear_instance_cache()

    return bucket


@pytest.fixture
def real_data() -> Path:
    """Return the folder of real data, or skip where it is not there."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"no real data at {REAL_DATA}")
    return REAL_DATA


@pytest.fixture
def language_strings(real_data: Path) -> Callable[..., list[tuple[str, str]]]:
    """Return a function that cuts the human-rights texts into (normalized code, string).

    Two kinds are left out: Francoprovençal, a language of its own, which is filed under Occitan;
    and Uyghur in Latin and Sanskrit in Grantha letters, which no model here was made for.
    """
    from pipeline.text.language_codes import normalized

    with gzip.open(real_data / "langid" / "udhr.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]

    def cut(*, num_chars: int) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        for row in rows:
            if "Franco" not in row["name"] and row["bcp47"] not in ("ug-Latn", "sa-Gran"):
                text = " ".join(row["text"].split())
                cuts = range(0, len(text) - num_chars + 1, num_chars)
                code = normalized(row["iso639_3"])
                found.extend((code, text[at : at + num_chars]) for at in cuts)
        return found

    return cut
