"""Speed of the book reader by form, on real books.

Nothing is asserted, since machines differ and are shared.
"""

import time
from collections import defaultdict
from pathlib import Path

import pytest

from pipeline import plan, readers
from pipeline.recipe import Source

pytestmark = pytest.mark.bench
_ROUNDS = 3


def test_books_by_form():
    folder = Path(__file__).resolve().parents[3] / "shared" / "data" / "books"
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}")
    source = Source(name="books", kind="books", paths=(str(folder),))
    files, _ = plan.raw_files(plan.find([source]), data="/nonexistent")
    section = readers.section(source)
    seconds: dict[str, list[float]] = defaultdict(lambda: [0.0] * _ROUNDS)
    num_bytes: dict[str, int] = defaultdict(int)
    for round_number in range(_ROUNDS):
        for file in files:
            form = file.form if file.form != "gz" else file.url.removesuffix(".gz")[-3:].strip(".")
            begin = time.process_time()
            records = list(readers.read(plan.cut(file)[0], section))
            seconds[form][round_number] += time.process_time() - begin
            if round_number == 0:
                num_bytes[form] += sum(record.num_raw_bytes for record in records)
    print(f"\nbooks, reading and cleaning (one core, CPU time, median of {_ROUNDS})")
    for form, taken in sorted(seconds.items()):
        rate = num_bytes[form] / 1e6 / max(sorted(taken)[_ROUNDS // 2], 1e-9)
        print(f"  {form:8} {num_bytes[form] / 1e6:7.2f} MB {rate:8.2f} MB/s")
    total = [sum(taken[n] for taken in seconds.values()) for n in range(_ROUNDS)]
    rate = sum(num_bytes.values()) / 1e6 / sorted(total)[_ROUNDS // 2]
    print(f"  {'all':8} {sum(num_bytes.values()) / 1e6:7.2f} MB {rate:8.2f} MB/s")
