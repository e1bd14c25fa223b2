"""Speeds of the data pipeline's inner loops, beside a peer where one is installed.

`make bench` prints the tables; no time is asserted, since machines differ and are shared.
Peers are not dependencies: `pip install mwparserfromhell` to see its column; GRISTMILL_PEER names
the Python interpreter of an environment with datatrove.
"""

import importlib.util
import io
import itertools
import json
import os
import subprocess
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import quality_models
import zstandard
from quality_models import LABELS

from pipeline import measures, plan
from pipeline.measure import metrics, minhash, quality
from pipeline.recipe import Matches, Measures, Source
from pipeline.text import clean, language, personal, words
from pipeline.wiki import dump, wikipedia, wikitext

pytestmark = pytest.mark.bench
_ROUNDS = 3


def medians(functions: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Return the median CPU seconds of each function; the rounds are interleaved."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(_ROUNDS):
        for name, function in functions.items():
            begin = time.process_time()
            function()
            seconds[name].append(time.process_time() - begin)
    return {name: sorted(taken)[_ROUNDS // 2] for name, taken in seconds.items()}


def show(title: str, num_bytes: int, seconds: dict[str, float]) -> None:
    print(f"\n{title} ({num_bytes / 1e6:.1f} MB, median of {_ROUNDS}, CPU time)")
    for name, taken in seconds.items():
        print(f"  {name:44} {num_bytes / 1e6 / taken:9.2f} MB/s")


@pytest.fixture(scope="module")
def articles(real_dump: Path) -> list[dump.Page]:
    source = Source(name="w", kind="wikipedia", paths=(str(real_dump),))
    files, _ = plan.raw_files([(source, str(real_dump))], data="/nonexistent")
    split = plan.splits(files)[0]
    own, _ = wikipedia.decompressed(split)
    return [
        page
        for page in dump.pages(own)
        if isinstance(page, dump.Page) and page.namespace == 0 and not page.redirect
    ]


@pytest.fixture(scope="module")
def real_dump() -> Path:
    root = Path(__file__).resolve().parents[3]
    for path in (
        root / "shared/data/wikipedia/enwiki-p10-shortened.xml.bz2",
        Path(__file__).resolve().parents[2] / "raw/enwiki-excerpt.xml.bz2",
    ):
        if path.exists():
            return path
    pytest.skip("no real dump; `python -m corpus fetch --to raw` gets one")


def test_wikitext_to_text(articles):
    functions = {
        "gristmill plain_text": lambda: [
            wikitext.plain_text(page.text, title=page.title) for page in articles
        ]
    }
    try:
        import mwparserfromhell  # pyright: ignore[reportMissingImports]
    except ImportError:
        print("\nmwparserfromhell is not installed: no peer")
    else:
        functions["mwparserfromhell parse + strip_code"] = lambda: [
            mwparserfromhell.parse(page.text).strip_code() for page in articles
        ]
    show("wikitext", sum(len(page.text.encode()) for page in articles), medians(functions))


def test_text_functions(articles):
    import ftfy

    texts = [wikitext.plain_text(page.text, title=page.title).text for page in articles]
    show(
        "text",
        sum(len(text.encode()) for text in texts),
        medians(
            {
                "ftfy.fix_text": lambda: [ftfy.fix_text(text) for text in texts],
                "clean_text": lambda: [clean.clean_text(text) for text in texts],
            }
        ),
    )


_OUR_DOCUMENTS, _PEER_DOCUMENTS = 1200, 120
"""The peer gets fewer: it needs some seconds for a megabyte."""


@pytest.fixture(scope="module")
def texts() -> list[str]:
    folder = Path(__file__).resolve().parents[3] / "shared/data/bench"
    files = sorted(folder.glob("*.jsonl.zst"))
    if not files:
        pytest.skip(f"no bench corpus in {folder}")
    with zstandard.open(files[0], "rt", encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line in islice(lines, _OUR_DOCUMENTS)]


def write(table: pa.Table) -> None:
    with measures.writer(io.BytesIO(), table.schema) as file:
        file.write_table(table)


def test_measures(texts):
    config = Matches()
    column = pa.array(texts, pa.string())
    ids = pa.array(range(len(texts)), pa.uint64())
    english = ["en"] * len(texts)
    batch = pa.RecordBatch.from_pydict({"id": ids, "source": english, "text": column})
    batches = [batch.slice(at, 256) for at in range(0, len(batch), 256)]
    declared = {"language": "en", "per_row": False}
    languages = [
        language.columns(one, one.column("text").to_pylist(), path="", declared=declared)
        for one in batches
    ]

    def measure_all() -> list[pa.RecordBatch]:
        return [
            measures.measure(one, found, quality.columns(one["text"], Measures()), config=config)
            for one, found in zip(batches, languages, strict=True)
        ]

    table = pa.Table.from_batches(measure_all(), schema=measures.schema(config))
    data, offsets = words.text_buffers(column)
    views = words.normalized_views(column)
    shingles = minhash.shingle_views(views, size=config.shingle_words)
    show(
        "measures by part, one core",
        sum(len(text.encode()) for text in texts),
        medians(
            {
                "metrics, all": lambda: metrics.measure(column, english),
                "  of them personal data": lambda: personal.counts(data, offsets),
                "normalized views and their words": lambda: words.normalized_views(column),
                "shingles": lambda: minhash.shingle_views(views, size=config.shingle_words),
                "signatures, 256 permutations": lambda: minhash.signatures(
                    shingles, num_permutations=256, seed=1
                ),
                "measures, all of these and exact keys": measure_all,
                "language": lambda: [
                    language.columns(
                        one, one.column("text").to_pylist(), path="", declared=declared
                    )
                    for one in batches
                ],
                "Parquet": lambda: write(table),
            }
        ),
    )


def test_quality_models(texts, tmp_path):
    """Models of the usual shape, whose numbers are random: only how long they take is asked."""
    rng = np.random.default_rng(0)
    tokens = [token for text in texts for token in text.split()]
    words = ["</s>", *sorted(set(tokens))]
    # As `fasttext supervised -wordNgrams 2` makes them, with half as many buckets.
    vectors = rng.standard_normal((len(words) + 2**20, 100), dtype=np.float32)
    classes = rng.standard_normal((2, 100), dtype=np.float32)
    path = tmp_path / "quality.bin"
    path.write_bytes(quality_models.fasttext_bytes(words, vectors, LABELS, classes))
    chosen = {"fastText, pairs of words": Measures(quality_model=str(path), quality_label="hq")}
    if importlib.util.find_spec("kenlm") is None:
        print("\nkenlm is not installed")
    else:
        (tmp_path / "pairs.arpa").write_text(pairs_of_words(tokens, rng))
        chosen["KenLM, pairs of words"] = Measures(quality_model=str(tmp_path / "pairs.arpa"))
    for config in chosen.values():
        quality.section(config)  # loads it
    show(
        "quality models, one core",
        sum(len(text.encode()) for text in texts),
        medians(
            {
                name: lambda config=config: quality.columns(texts, config)
                for name, config in chosen.items()
            }
        ),
    )


def pairs_of_words(tokens: list[str], rng: np.random.Generator) -> str:
    """Return a model of all words and pairs of words, in KenLM's text format."""
    first = ["<unk>", "<s>", "</s>", *sorted(set(tokens))]
    second = sorted({f"{a} {b}" for a, b in itertools.pairwise(tokens)})
    lines = ["\\data\\", f"ngram 1={len(first)}", f"ngram 2={len(second)}", "", "\\1-grams:"]
    scores = rng.random(len(first)).tolist()
    lines += [f"{-5 * p:.3f}\t{gram}\t-0.3" for p, gram in zip(scores, first, strict=True)]
    scores = rng.random(len(second)).tolist()
    lines += ["", "\\2-grams:"]
    lines += [f"{-3 * p:.3f}\t{gram}" for p, gram in zip(scores, second, strict=True)]
    return "\n".join([*lines, "", "\\end\\", ""])


def test_measures_of_the_peer(texts):
    peer = os.environ.get("GRISTMILL_PEER")
    if not peer:
        pytest.skip("GRISTMILL_PEER names no interpreter with datatrove")
    given = texts[:_PEER_DOCUMENTS]
    script = Path(__file__).with_name("datatrove_measures.py")
    lines = "".join(json.dumps({"text": text}) + "\n" for text in given)
    done = subprocess.run(
        [peer, str(script)], input=lines, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    seconds = json.loads(done.stdout.splitlines()[-1])
    seconds["all of these"] = sum(seconds.values())
    show("datatrove, one run", sum(len(text.encode()) for text in given), seconds)
