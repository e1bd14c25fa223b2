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
    _add_parents(data, users)
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


def _add_parents(data: str, users: dict[tuple[str, str], list[str]]) -> None:
    """Name the sets that a used set was made from as used too."""
    manifests = {
        (stage, set_id): sets.read_manifest(sets.folder(data, stage, set_id))
        for stage, ids in sets.list_sets(data).items()
        for set_id in ids
        if sets.has_manifest(sets.folder(data, stage, set_id))
    }
    by_digest = {manifest.digest(): place for place, manifest in manifests.items()}
    left = list(users)
    while left:
        manifest = manifests.get(left.pop())
        for digest in manifest.identity["parents"].values() if manifest else ():
            parent = by_digest.get(digest)
            if parent is not None and parent not in users:
                users[parent] = ["a parent"]
                left.append(parent)


def num_bytes(url: str) -> int:
    """Return the size of all files below a folder."""
    fs, path = storage.split(url)
    found = cast("dict[str, dict[str, Any]]", fs.find(path, detail=True))
    return int(sum(info["size"] or 0 for info in found.values()))


def prunable(data: str) -> list[Kept]:
    """Return the sets that no corpus points at, no such set was made from and no process reads."""
    return [kept for kept in survey(data) if not kept.used_by]


def prune(data: str) -> list[Kept]:
    """Remove what `prunable` names.

    Raises:
        ValueError: a run holds the DATA folder.
    """
    with lock.locked(data, command="corpus gc"):
        gone = prunable(data)
        for kept in gone:
            remove(kept.url)
    return gone


def remove(url: str) -> None:
    """Remove a set; its manifest goes first, so an interrupted removal leaves no half set."""
    storage.remove(storage.join(url, sets.MANIFEST))
    storage.remove(url)
