"""What-if over a million documents, as a user would ask: a process of its own, to the answer."""

import os
import resource
import subprocess
import sys
import time

import pytest
import synthetic

NUM_DOCUMENTS = 1_000_000


@pytest.mark.bench
def test_what_if_over_a_million_documents(tmp_path):
    recipe = synthetic.write(tmp_path, num_documents=NUM_DOCUMENTS, num_parts=8)
    command = [
        *(sys.executable, "-m", "pipeline", "what-if", "min_words=40", "near_duplicate=0.9"),
        *("--recipe", str(recipe), "--data", str(tmp_path / "data")),
    ]
    seconds, cpu_seconds = [], []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        begin = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=True)
        seconds.append(time.perf_counter() - begin)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_seconds.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
        assert f"over {NUM_DOCUMENTS:,} documents" in done.stdout
    print(
        f"\nwhat-if, {NUM_DOCUMENTS:,} documents: {min(seconds):.2f} s "
        f"({min(cpu_seconds):.2f} s of CPU), memory "
        f"{after.ru_maxrss / 1e3:.0f} MB"
    )
