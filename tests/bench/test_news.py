"""Articles: F1 against ground truth and time, beside trafilatura and resiliparse; archive speed.

`python -m pytest -m bench -s tests/bench/test_news.py`. The metric is that of scrapinghub's
article-extraction-benchmark: precision and recall of 4-word shingles (with their counts) by page,
their means over pages, and F1 of those means; "set" takes shingles once, in lower case. The
trafilatura set has phrases that must and must not appear instead. Time is CPU time of a page, the
least of three rounds that are interleaved; the standard error is bootstrapped over pages.
"""

import gzip
import json
import logging
import re
import resource
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import lxml.html
import numpy as np
import pytest

from pipeline import plan, readers
from pipeline.raw import inflate
from pipeline.recipe import Source
from pipeline.web import article, warc
from pipeline.web.html_charset import decode_html
from pipeline.web.warc_pieces import pieces
from pipeline.web.warc_records import scan
from pipeline.web.watchdog import Watchdog, kept

pytestmark = pytest.mark.bench
_ROUNDS = 3
_SETS = ("scrapinghub", "readability", "newspaper3k", "trafilatura")
_WORD = re.compile(r"\w+")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200d\u2060\ufeff]")
_BLOCKS = (
    *("p", "div", "li", "h1", "h2", "h3", "h4", "br", "td", "tr", "blockquote", "pre", "section"),
    *("ul", "ol", "figure", "figcaption"),
)


def ours(data: bytes) -> str:
    return article.extract(decode_html(data)[0], "http://example.org/", "").text


def trafilatura_fast(data: bytes) -> str:
    import trafilatura

    found = trafilatura.extract(
        data, fast=True, include_comments=False, include_tables=False, deduplicate=False
    )
    return found or ""


def resiliparse_main(data: bytes) -> str:
    from resiliparse.extract.html2text import extract_plain_text
    from resiliparse.parse.encoding import bytes_to_str, detect_encoding

    return extract_plain_text(bytes_to_str(data, detect_encoding(data)), main_content=True)


EXTRACTORS = {"trafilatura": trafilatura_fast, "ours": ours, "resiliparse": resiliparse_main}


def pages(folder: Path, name: str) -> list[tuple[bytes, str | dict[str, list[str]]]]:
    """Return pages with their ground truth: a text, or phrases."""
    if name == "scrapinghub":
        truth = json.loads((folder / name / "ground-truth.json").read_text())
        paths = sorted((folder / name / "html").glob("*.html.gz"))
        return [(unpacked(path), truth[path.name[:-8]]["articleBody"]) for path in paths]
    if name == "readability":
        paths = sorted((folder / name).iterdir())
        return [
            (unpacked(p / "source.html.gz"), visible(unpacked(p / "expected.html.gz")))
            for p in paths
        ]
    if name == "newspaper3k":
        paths = sorted((folder / name).glob("*.html.gz"))
        found = [(unpacked(p), p.with_name(p.name[:-8] + ".txt").read_text()) for p in paths]
        # Where newspaper failed, its authors left a note instead of the text.
        return [page for page in found if len(page[1]) >= 200]
    phrases = json.loads((folder / name / "evaldata.json").read_text())
    known = [(folder / name / f"{entry['file']}.gz", entry) for _, entry in sorted(phrases.items())]
    return [(unpacked(path), entry) for path, entry in known if path.exists()]


def unpacked(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes())


def visible(html: bytes) -> str:
    root = lxml.html.fromstring(f"<div>{html.decode('utf-8', 'replace')}</div>")
    for element in root.iter(*_BLOCKS):
        element.text, element.tail = f" {element.text or ''}", f" {element.tail or ''}"
    return root.text_content()


def shingles(text: str, *, is_set: bool) -> Counter[tuple[str, ...]]:
    text = _INVISIBLE.sub("", text)
    words = _WORD.findall(text.lower() if is_set else text)
    found = Counter(
        tuple(words[at : at + 4]) for at in range(max(min(1, len(words)), len(words) - 3))
    )
    return Counter(set(found)) if is_set else found


def score(truth: str, text: str, *, is_set: bool) -> tuple[float, float]:
    """Return precision and recall of a page; NaN where there is nothing to divide by."""
    true, found = shingles(truth, is_set=is_set), shingles(text, is_set=is_set)
    common = (true & found).total()
    return (
        common / found.total() if found else float("nan"),
        common / true.total() if true else float("nan"),
    )


def f1(scores: np.ndarray) -> tuple[float, float, float]:
    precision, recall = np.nanmean(scores, axis=0)
    return 2 * precision * recall / (precision + recall), precision, recall


def phrase_scores(truth: dict[str, list[str]], text: str) -> tuple[int, int, int]:
    def plain(value: str) -> str:
        return " ".join(_INVISIBLE.sub("", value).split())

    text = plain(text)
    kept = sum(plain(phrase) in text for phrase in truth["with"])
    wrong = sum(plain(phrase) in text for phrase in truth["without"])
    return kept, len(truth["with"]), wrong


def phrase_f1(scores: np.ndarray) -> tuple[float, float, float]:
    kept, wanted, wrong = scores.sum(axis=0)
    precision, recall = kept / (kept + wrong), kept / wanted
    return 2 * precision * recall / (precision + recall), precision, recall


def bootstrapped(
    scores: list[np.ndarray], measure: Callable[[np.ndarray], tuple[float, float, float]]
) -> list[float]:
    """Return standard errors of F1 of each, and of the difference of the first two."""
    rng = np.random.default_rng(0)
    samples = []
    for _ in range(1000):
        chosen = rng.integers(0, len(scores[0]), len(scores[0]))
        samples.append([measure(own[chosen])[0] for own in scores])
    drawn = np.array(samples)
    return [*drawn.std(axis=0), (drawn[:, 1] - drawn[:, 0]).std()]


@pytest.mark.parametrize("name", _SETS)
def test_articles_against_ground_truth(real_data, name):
    logging.disable(logging.CRITICAL)
    known = pages(real_data / "html_extraction", name)
    texts: dict[str, list[str]] = {label: [] for label in EXTRACTORS}
    seconds = dict.fromkeys(EXTRACTORS, 0.0)
    for extract in EXTRACTORS.values():
        extract(known[0][0])
    for html, _ in known:
        best = dict.fromkeys(EXTRACTORS, float("inf"))
        for number in range(_ROUNDS):
            for label, extract in EXTRACTORS.items():
                begin = time.process_time()
                text = extract(html)
                best[label] = min(best[label], time.process_time() - begin)
                if not number:
                    texts[label].append(text)
        for label, taken in best.items():
            seconds[label] += taken
    print(f"\n{name}: {len(known)} pages")
    truths = [truth for _, truth in known]
    if name == "trafilatura":
        report("phrases", texts, truths, seconds, phrase_scores, phrase_f1)
        return
    for is_set in (False, True):

        def scored(truth: str, text: str, is_set: bool = is_set) -> tuple[float, float]:
            return score(truth, text, is_set=is_set)

        report("set" if is_set else "counted", texts, truths, seconds, scored, f1)


def report(what, texts, truths, seconds, scored, measure):
    scores = [
        np.array([scored(truth, text) for truth, text in zip(truths, own, strict=True)])
        for own in texts.values()
    ]
    errors = bootstrapped(scores, measure)
    for label, own, error in zip(texts, scores, errors, strict=False):
        print(
            f"  {what:8} {label:12} F1 {measure(own)[0]:.4f} +- {error:.4f}  "
            f"P {measure(own)[1]:.4f}  R {measure(own)[2]:.4f}  "
            f"{seconds[label] / len(truths) * 1e3:6.2f} ms/page"
        )
    gain = measure(scores[1])[0] - measure(scores[0])[0]
    print(f"  {what:8} ours - trafilatura: {gain:+.4f} +- {errors[-1]:.4f} (paired)")


def test_archives_are_read_at_speed(real_data):
    from fastwarc.warc import ArchiveIterator

    path = real_data / "warc" / "built-ccnews-like-scrapinghub.warc.gz"
    source = Source(name="news", kind="warc", paths=(str(path),))
    files, _ = plan.raw_files([(source, str(path))], data="/nonexistent")
    section = {"kind": "warc", "sample": 1.0, "max_record_mb": 64}

    def records() -> int:
        found = scan(pieces(str(path), "warc.gz", 0), limit=1 << 62, max_bytes=1 << 26)
        return sum(1 for _ in found)

    def fastwarc() -> int:
        with path.open("rb") as file:
            return sum(len(r.reader.read()) > 0 for r in ArchiveIterator(file, parse_http=False))

    def cuts() -> int:
        return len(warc.cuts(str(path), "warc.gz", inflate.raw_chunks(str(path)), 0))

    def reader() -> int:
        number = sum(bool(r.text) for s in plan.splits(files) for r in readers.read(s, section))
        # Its child's time counts when it has ended.
        kept(
            "pipeline.web.article:extract",
            timeout_seconds=warc.TIMEOUT_SECONDS,
            max_bytes=warc.MEMORY_BYTES,
        ).close()
        return number

    num_mb = path.stat().st_size / 1e6
    print(f"\n{path.name}: {num_mb:.1f} MB, CPU time of this process and its children")
    for function in (fastwarc, records, cuts, reader):
        taken = []
        for _ in range(_ROUNDS):
            begin = cpu_seconds()
            number = function()
            taken.append(cpu_seconds() - begin)
        rate = num_mb / min(taken)
        print(f"  {function.__name__:10} {rate:8.2f} MB/s  {number / min(taken):9.1f} a second")


def cpu_seconds() -> float:
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


def test_the_watchdog_costs_little(real_data):
    logging.disable(logging.CRITICAL)
    known = [decode_html(h)[0] for h, _ in pages(real_data / "html_extraction", "newspaper3k")]
    for html in known:
        article.extract(html, "", "")
    here, there = [], []
    for _ in range(_ROUNDS):
        begin = cpu_seconds()
        for html in known:
            article.extract(html, "", "")
        here.append(cpu_seconds() - begin)
        # The second pass over the pages, so that neither starting nor warming up counts.
        taken = []
        for num_passes in (1, 2):
            begin = cpu_seconds()
            with Watchdog(
                "pipeline.web.article:extract", timeout_seconds=30, max_bytes=3 << 30
            ) as watchdog:
                for html in known * num_passes:
                    watchdog.call(html, "", "")
            taken.append(cpu_seconds() - begin)
        there.append(taken[1] - taken[0])
        started = taken[0] - there[-1]
    print(
        f"\nwatchdog: {started:.2f} s to start; {min(here) / len(known) * 1e3:.2f} ms/page here, "
        f"{min(there) / len(known) * 1e3:.2f} with a child ({min(there) / min(here) - 1:+.1%})"
    )
