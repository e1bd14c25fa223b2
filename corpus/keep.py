"""What lies in a DATA folder, what of it is in use, and what may go."""

from dataclasses import dataclass
from typing import Any, cast

from corpus import lock, sets, storage


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """One set folder and who needs it."""

    stage: str
    id: str
    url: str
    is_finished: bool
    num_bytes: int
    used_by: tuple[str, ...]
    """Corpora that point at it, `a parent` of such a set, or `a running process`."""


def survey(data: str) -> list[Kept]:
    """Return all set folders of a DATA folder, in the order of the stages."""
    users: dict[tuple[str, str], list[str]] = {}
    for name, pointers in sets.list_corpora(data).items():
        for stage, set_id in pointers.items():
            users.setdefault((stage, set_id), []).append(name)
    found = []
    for stage, ids in sets.list_sets(data).items():
        for set_id in ids:
            url = sets.folder(data, stage, set_id)
            used_by = list(users.get((stage, set_id), []))
            if lock.is_used(url):
                used_by.append("a running process")
            found.append(
                Kept(
                    stage=stage,
                    id=set_id,
                    url=url,
                    is_finished=sets.has_manifest(url),
                    num_bytes=num_bytes(url),
                    used_by=tuple(used_by),
                )
            )
    return found


def num_bytes(url: str) -> int:
    """Return the size of all files below a folder."""
    fs, path = storage.split(url)
    found = cast("dict[str, dict[str, Any]]", fs.find(path, detail=True))
    return int(sum(info["size"] or 0 for info in found.values()))


def prunable(data: str) -> list[Kept]:
    """Return the sets that no corpus points at and no process reads.

    Everything a corpus was made from is pointed at too, so a set in use keeps its parents.
    """
    return [kept for kept in survey(data) if not kept.used_by]


def prune(data: str) -> list[Kept]:
    """Remove what `prunable` names; finished sets lose their manifest first.

    Raises:
        ValueError: a run holds the DATA folder.
    """
    with lock.locked(data, command="corpus gc"):
        gone = prunable(data)
        for kept in gone:
            # Without its manifest a set is absent, so an interrupted removal leaves no half set.
            storage.remove(storage.join(kept.url, sets.MANIFEST))
            storage.remove(kept.url)
    return gone
