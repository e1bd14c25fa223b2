"""Sets on disk: a folder of parts, a receipt per part, and a manifest that is written last.

    DATA/<stage>/<id>/[<step>/]<files of parts>
    DATA/<stage>/<id>/[<step>/]receipts/<fingerprint>.json
    DATA/<stage>/<id>/manifest.json
    DATA/corpora/<name>.json            which set each stage of a named corpus recipe last made

A part counts only when its receipt is there and its files have the receipt's digests; a folder
without a manifest counts as absent. Nothing in a manifest tells where or how it was made.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from corpus import identity, storage

FORMAT_VERSION = 1
"""Of manifests and receipts. Readers refuse another."""

STAGES = ("documents", "measures", "matches", "fates", "tokenizers", "shards")
"""Stage folders of DATA, in the order in which they depend on each other."""

ID_DIGITS = 16
"""Hexadecimal digits of a set's id: 64 bits of its identity's sha256."""

MANIFEST = "manifest.json"
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """One file of a part."""

    num_bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """Proof that a part is whole: written after its files, naming their digests."""

    name: str
    """The part's name, unique in its step."""
    fingerprint: str
    """sha256 over everything the part's bytes depend on."""
    files: dict[str, File]
    """By name, inside the step's folder."""
    counts: dict[str, int] = field(default_factory=dict)
    """Summed over parts into the manifest's counts."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What later stages need to know of this part without opening it."""

    def file(self) -> str:
        """Return the name of the part's main file: the first that lies in no folder below."""
        return min(self.files, key=lambda name: (name.count("/"), name))

    def content(self) -> str:
        """Return one digest for all files of the part."""
        return identity.fingerprint({name: file.sha256 for name, file in self.files.items()})


def receipt_to_json(receipt: Receipt) -> dict[str, Any]:
    """Return a receipt as plain JSON."""
    return asdict(receipt)


def receipt_from_json(value: Mapping[str, Any]) -> Receipt:
    """Read a receipt back."""
    files = {name: File(**file) for name, file in value["files"].items()}
    return Receipt(**{**value, "files": files})


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """What a finished set is: its identity and its parts."""

    stage: str
    id: str
    identity: dict[str, Any]
    """What the id is the hash of: section, version, libraries, parents' digests."""
    counts: dict[str, int]
    parts: tuple[Receipt, ...]
    facts: dict[str, Any]
    """What follows from all parts together, such as the tokenizer's special ids."""
    files: dict[str, File] = field(default_factory=dict)
    """Small files beside the parts, such as the tokenizer's, by name below the set's folder."""

    def to_bytes(self) -> bytes:
        """Return the manifest file's bytes."""
        return identity.pretty({"format_version": FORMAT_VERSION, **asdict(self)})

    def digest(self) -> str:
        """Return the manifest's content digest, which children's ids depend on."""
        return identity.digest(self.to_bytes())


def set_id(stage: str, what: Mapping[str, Any]) -> str:
    """Return the id of a set from its stage and identity."""
    return identity.fingerprint([FORMAT_VERSION, stage, what])[:ID_DIGITS]


def folder(data: str, stage: str, set_id: str) -> str:
    """Return the path or URL of a set."""
    return storage.join(data, stage, set_id)


def read_manifest(url: str) -> Manifest:
    """Read the manifest of a set folder.

    Raises:
        ValueError: there is none (the set is absent or unfinished), it cannot be read, it is
            damaged, or it has another format version.
    """
    path = storage.join(url, MANIFEST)
    damaged = (
        f"{path}: damaged manifest; take that of a copy, or remove it: the next run of its stage "
        "finds what is whole and writes it anew"
    )
    try:
        value = json.loads(storage.read_bytes(path))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ValueError(
            f"{url}: no finished set here (no {MANIFEST}); run its stage, or name a folder "
            "DATA/STAGE/ID as `python -m corpus list` shows them"
        ) from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(damaged) from error
    except (OSError, *storage.client_errors()) as error:
        raise storage.unreachable(path, error) from error
    if not isinstance(value, dict):
        raise ValueError(damaged)
    found = value.pop("format_version", None)
    if found != FORMAT_VERSION:
        raise ValueError(
            f"{path}: format version {found}, this program reads {FORMAT_VERSION}; "
            "rebuild the set, or use the program version that wrote it"
        )
    try:
        parts = tuple(receipt_from_json(part) for part in value["parts"])
        files = {name: File(**file) for name, file in value["files"].items()}
        manifest = Manifest(**{**value, "parts": parts, "files": files})
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(damaged) from error
    if manifest.stage not in STAGES:
        raise ValueError(damaged)
    for name in (name for files in (*(part.files for part in parts), files) for name in files):
        # A set is its folder: nothing that is read, repaired or removed by name lies outside.
        if name.startswith("/") or ".." in name.split("/"):
            raise ValueError(f"{damaged} (it names a file outside of its folder: {name!r})")
    return manifest


def has_manifest(url: str) -> bool:
    """Tell whether a set folder is finished."""
    return storage.exists(storage.join(url, MANIFEST))


def digest_file(url: str) -> File:
    """Return the size and sha256 of a file, read in bounded memory."""
    hasher, num_bytes = hashlib.sha256(), 0
    with storage.open_read(url) as file:
        while chunk := file.read(_CHUNK_BYTES):
            hasher.update(chunk)
            num_bytes += len(chunk)
    return File(num_bytes=num_bytes, sha256=hasher.hexdigest())


def receipt_path(step: str, fingerprint: str) -> str:
    """Return where the receipt of a part lies."""
    return storage.join(step, "receipts", f"{fingerprint}.json")


def read_receipt(step: str, fingerprint: str) -> Receipt | None:
    """Return the receipt of a part in a step's folder, or None when there is none to trust."""
    try:
        value = json.loads(storage.read_bytes(receipt_path(step, fingerprint)))
        receipt = receipt_from_json(value)
    except FileNotFoundError:
        return None
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError):
        return None  # torn or of another version: its part is made again
    return receipt if receipt.fingerprint == fingerprint else None


def is_whole(step: str, receipt: Receipt) -> bool:
    """Tell whether all files of a part are there with the digests of its receipt."""
    for name, file in receipt.files.items():
        url = storage.join(step, name)
        try:
            if storage.size(url) != file.num_bytes or digest_file(url) != file:
                return False
        except FileNotFoundError:
            return False
    return True


def commit_part(step: str, receipt: Receipt) -> None:
    """Write the receipt of a part whose files are in place."""
    storage.write_bytes(
        receipt_path(step, receipt.fingerprint), identity.pretty(receipt_to_json(receipt))
    )


def sum_counts(parts: Iterable[Receipt]) -> dict[str, int]:
    """Return the sums of the parts' counts, by name."""
    totals: dict[str, int] = {}
    for part in parts:
        for name, count in part.counts.items():
            totals[name] = totals.get(name, 0) + count
    return dict(sorted(totals.items()))


def corpus_path(data: str, name: str) -> str:
    """Return where the pointer of a named corpus lies."""
    return storage.join(data, "corpora", f"{name}.json")


def read_corpus(data: str, name: str) -> dict[str, str]:
    """Return which set each stage of a named corpus last made (stage to id)."""
    try:
        return json.loads(storage.read_bytes(corpus_path(data, name)))
    except FileNotFoundError:
        return {}
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{corpus_path(data, name)}: damaged; remove it and run the stages of this corpus "
            "again: what is finished is found, and costs nothing"
        ) from error


def point_corpus(data: str, name: str, stage: str, set_id: str) -> None:
    """Record that this set is what `stage` of corpus `name` now is."""
    pointers = read_corpus(data, name)
    if pointers.get(stage) != set_id:
        storage.write_bytes(corpus_path(data, name), identity.pretty({**pointers, stage: set_id}))


def list_sets(data: str) -> dict[str, list[str]]:
    """Return the ids in each stage folder, finished or not."""
    return {stage: storage.names(storage.join(data, stage)) for stage in STAGES}


def list_corpora(data: str) -> dict[str, dict[str, str]]:
    """Return all named corpora and their pointers."""
    found = storage.names(storage.join(data, "corpora"))
    return {
        name.removesuffix(".json"): read_corpus(data, name.removesuffix(".json"))
        for name in found
        if name.endswith(".json")
    }


def sweep(url: str, *, below: str = "**") -> None:
    """Remove what killed attempts left in a local folder (names that begin with a dot).

    Args:
        url: the folder.
        below: in which of its folders to look, as a pattern.
    """
    local = storage.local_path(url)
    if local is None:
        return  # an upload that did not finish leaves nothing behind
    for leftover in local.glob(f"{below}/.*.tmp"):
        leftover.unlink(missing_ok=True)
