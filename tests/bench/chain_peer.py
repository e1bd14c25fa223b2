"""The peer's own chain over JSONL: ftfy, four filters, MinHash. Run by the peer's interpreter.

    python chain_peer.py FILES OUTPUT --workers 2

FILES is a folder of *.jsonl with `id` and `text`. Prints what is left.
"""

import argparse
from pathlib import Path

from datatrove.executor import LocalPipelineExecutor  # pyright: ignore[reportMissingImports]
from datatrove.pipeline import (  # pyright: ignore[reportMissingImports]
    dedup,
    filters,
    formatters,
    readers,
    writers,
)
from datatrove.pipeline.dedup.minhash import (  # pyright: ignore[reportMissingImports]
    MinhashConfig,
)
from datatrove.utils.hashing import HashConfig  # pyright: ignore[reportMissingImports]

NUM_BUCKETS = 14
"""Of 8 hashes each: what the peer's FineWeb example uses."""


def run(steps: list[object], *, out: Path, name: str, tasks: int, workers: int) -> None:
    """Run one pipeline to its end."""
    LocalPipelineExecutor(
        pipeline=steps, tasks=tasks, workers=workers, logging_dir=str(out / "logs" / name)
    ).run()


def main() -> None:
    """Run the chain."""
    parser = argparse.ArgumentParser()
    parser.add_argument("files", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--workers", type=int, required=True)
    given = parser.parse_args()
    out, workers = given.out, given.workers
    tasks = len(list(given.files.glob("*.jsonl")))
    config = MinhashConfig(
        hash_config=HashConfig(precision=64),
        num_buckets=NUM_BUCKETS,
        hashes_per_bucket=8,
        n_grams=5,
    )

    def read(folder: Path) -> readers.JsonlReader:
        return readers.JsonlReader(str(folder), glob_pattern="*.jsonl")

    def write(name: str) -> writers.JsonlWriter:
        return writers.JsonlWriter(str(out / name), compression=None)

    quality = [
        filters.GopherRepetitionFilter(),
        filters.GopherQualityFilter(),
        filters.C4QualityFilter(),
        filters.FineWebQualityFilter(),
    ]
    stages = {
        "filters": [read(given.files), formatters.FTFYFormatter(), *quality, write("filtered")],
        "signatures": [
            read(out / "filtered"),
            dedup.MinhashDedupSignature(str(out / "signatures"), config=config),
        ],
        "buckets": [
            dedup.MinhashDedupBuckets(str(out / "signatures"), str(out / "buckets"), config=config)
        ],
        "clusters": [
            dedup.MinhashDedupCluster(str(out / "buckets"), str(out / "remove"), config=config)
        ],
        "kept": [
            read(out / "filtered"),
            dedup.MinhashDedupFilter(str(out / "remove")),
            write("kept"),
        ],
    }
    num_tasks = {"buckets": NUM_BUCKETS, "clusters": 1}
    for name, steps in stages.items():
        run(steps, out=out, name=name, tasks=num_tasks.get(name, tasks), workers=workers)
    num_kept = sum(1 for file in (out / "kept").glob("*.jsonl") for _ in file.open("rb"))
    print(f"kept {num_kept}")


if __name__ == "__main__":
    main()
