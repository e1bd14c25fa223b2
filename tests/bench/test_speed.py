"""Speeds of the data pipeline's inner loops, beside a peer where one is installed.

`make bench` prints the tables; no time is asserted, since machines differ and are shared.
Peers are not dependencies: `pip install mwparserfromhell` to see its column.
"""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import clean, dump, metrics, minhash, plan, wikipedia, wikitext, words
from pipeline.recipe import Source

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
    views = [words.normalized(text) for text in texts]
    shingles = [minhash.shingles(view, size=5) for view in views]
    show(
        "text",
        sum(len(text.encode()) for text in texts),
        medians(
            {
                "ftfy.fix_text": lambda: [ftfy.fix_text(text) for text in texts],
                "clean_text": lambda: [clean.clean_text(text) for text in texts],
                "normalized": lambda: [words.normalized(text) for text in texts],
                "measure": lambda: metrics.measure(texts),
                "shingles": lambda: [minhash.shingles(view, size=5) for view in views],
                "signatures, 256 permutations": lambda: minhash.signatures(
                    shingles, num_permutations=256, seed=1
                ),
            }
        ),
    )
