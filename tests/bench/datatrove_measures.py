"""Runs under the peer's own interpreter: how long datatrove's filters and signatures take.

Reads JSON lines {"text": ...} and prints one JSON object: CPU seconds by part. Every filter is
asked about every text, as it stands, whatever the others say of it; text by text, so that
datatrove keeps the words of each for all filters. It never imports gristmill.
"""

import json
import sys
import tempfile
import time

from datatrove.data import Document
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)

texts = [json.loads(line)["text"] for line in sys.stdin]
with tempfile.TemporaryDirectory() as folder:
    minhash = MinhashDedupSignature(
        output_folder=folder, config=MinhashConfig(num_buckets=32, hashes_per_bucket=8)
    )

    def sign(document: Document) -> None:
        shingles = minhash.get_shingles(document.text)
        if shingles.size:
            minhash.get_signature(shingles)

    parts = {
        "GopherRepetitionFilter, cuts words": GopherRepetitionFilter().filter,
        "GopherQualityFilter": GopherQualityFilter().filter,
        "C4QualityFilter": C4QualityFilter(filter_no_terminal_punct=False).filter,
        "FineWebQualityFilter": FineWebQualityFilter().filter,
        "MinhashDedupSignature": sign,
    }
    seconds = dict.fromkeys(parts, 0.0)
    for number, text in enumerate(["Warm up, please.", *texts]):
        for name, function in parts.items():
            begin = time.process_time()
            function(Document(text=text, id=str(number)))
            if number:
                seconds[name] += time.process_time() - begin
print(json.dumps(seconds))
