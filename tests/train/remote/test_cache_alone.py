"""The cache of shards alone: what goes first, what counts, and what is looked at again."""

import os
from pathlib import Path

from corpus import sets, storage
from train import cache
from train.cache import ShardCache


def some_files(url: str, num: int) -> list[tuple[str, sets.File]]:
    """Return files of rows of a set, the smallest first."""
    files = {n: f for part in sets.read_manifest(url).parts for n, f in part.files.items()}
    names = [f"wiki-train-32-{n}.arrow" for n in range(6)]
    found = [(storage.join(url, name), files[name]) for name in names]
    return sorted(found, key=lambda entry: entry[1].num_bytes)[:num]


def last_used(path: Path, moment: int) -> None:
    """Set when a file was last asked for, in ns, and leave the time of its content."""
    os.utime(path, ns=(moment, path.stat().st_mtime_ns))


def test_what_was_asked_for_longest_ago_goes_first(memory, tmp_path) -> None:
    small, middle, large = some_files(memory, 3)
    limit = sum(wanted.num_bytes for _, wanted in (small, middle, large)) - 1
    made = ShardCache(tmp_path, max_bytes=limit)
    first, second = made.fetch(*small), made.fetch(*middle)
    last_used(first, 1000)
    last_used(second, 2000)
    # Asked for once more, though it is there already.
    assert made.fetch(*small) == first
    third = made.fetch(*large)
    assert sorted(tmp_path.glob("*.arrow")) == sorted([first, third])
    assert not second.exists()


def test_a_file_on_its_way_counts_as_large_as_it_will_be(web, proxy, tmp_path, monkeypatch):
    url, use = web
    use()
    small, large = some_files(url, 2)
    made = ShardCache(tmp_path, max_bytes=small[1].num_bytes + large[1].num_bytes - 1)
    monkeypatch.setattr(proxy, "watched", tmp_path)
    proxy.sizes.clear()
    made.fetch(*small)
    made.fetch(*large)
    # What the cache held when each was asked for, before a byte of it had come.
    assert proxy.sizes == [small[1].num_bytes, large[1].num_bytes]


def test_a_copy_of_another_size_is_fetched_again_whatever_its_time(memory, tmp_path) -> None:
    ((url, wanted),) = some_files(memory, 1)
    made = ShardCache(tmp_path, max_bytes=10**9)
    path = made.fetch(url, wanted)
    whole, facts = path.read_bytes(), path.stat()
    path.write_bytes(whole[:-8])
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert made.fetch(url, wanted).read_bytes() == whole


def test_of_a_whole_answer_to_a_question_for_the_rest_only_the_rest_is_kept(
    web, many_shards, monkeypatch
) -> None:
    """A plain web server knows no ranges, and what came before the fault is there already."""
    url, use = web
    use()
    name = "wiki-train-32-0.arrow"
    whole = (many_shards / name).read_bytes()
    monkeypatch.setattr(cache, "_CHUNK_BYTES", 100)
    for start in (0, 1, len(whole) // 2, len(whole) - 101, len(whole) - 1):
        found = cache._range(storage.join(url, name), start, len(whole))
        assert found == whole[start:]
