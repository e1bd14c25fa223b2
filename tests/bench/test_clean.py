"""The fast path of `clean_text` over all of the bench corpus: the same bytes, and how much faster.

`make bench OPTIONS="-k test_clean"` prints both. The peer is the same passes with ftfy over all of
the text, in the same configuration; documents alternate between the two, in CPU time.
"""

import json
import time

import pytest
import zstandard

from pipeline.text import pii
from pipeline.text.clean import clean_text, clean_text_plainly

pytestmark = pytest.mark.bench


def documents(real_data) -> list[str]:
    return [
        json.loads(line)["text"]
        for path in sorted((real_data / "bench").glob("*.jsonl.zst"))
        for line in zstandard.decompress(path.read_bytes(), 1 << 28).splitlines()
    ]


def test_every_document_is_byte_equal_to_plain_ftfy_and_faster(real_data):
    texts = documents(real_data)
    num_bytes = sum(len(text.encode()) for text in texts)
    seconds = {clean_text: 0.0, clean_text_plainly: 0.0}
    num_changed = 0
    for text in texts:
        results = []
        for function in seconds:
            begin = time.process_time()
            results.append(function(text))
            seconds[function] += time.process_time() - begin
        assert results[0].encode() == results[1].encode()
        num_changed += results[0] != text
    fast, plain = seconds.values()
    print(
        f"\n{len(texts):,} documents, {num_bytes / 1e6:.1f} MB, {num_changed:,} changed: "
        f"clean_text {num_bytes / 1e6 / fast:.1f} MB/s, plain ftfy {num_bytes / 1e6 / plain:.1f} "
        f"MB/s, {plain / fast:.1f} times"
    )
    assert len(texts) == 11_017


def test_replacing_personal_data(real_data):
    texts = documents(real_data)
    num_bytes = sum(len(text.encode()) for text in texts)
    counts: dict[str, int] = {}
    begin = time.process_time()
    for text in texts:
        for kind, num in pii.replace(text, pii.KINDS)[1].items():
            counts[kind] = counts.get(kind, 0) + num
    seconds = time.process_time() - begin
    none = [text for text in texts if not pii.replace(text, pii.KINDS)[1]]
    begin = time.process_time()
    for text in none:
        pii.replace(text, pii.KINDS)
    rest = time.process_time() - begin
    print(
        f"\nreplaced {counts}: {num_bytes / 1e6 / seconds:.1f} MB/s; documents without any: "
        f"{sum(len(text.encode()) for text in none) / 1e6 / rest:.1f} MB/s"
    )
