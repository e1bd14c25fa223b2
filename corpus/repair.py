"""Replace what is damaged or missing in a set by the same file of a copy of it.

The manifest says what is the same: a file is taken only if it has the digest that it should have,
so the copy may be any folder or URL with such files, whole itself or not. Receipts are written anew
from the manifest, which holds all that they say.
"""

import hashlib
from collections.abc import Iterator

from corpus import sets, storage
from corpus.progress import Progress

_CHUNK_BYTES = 1 << 20
_NUM_SHOWN = 10
"""Files that an error names."""


def repair(url: str, origin: str) -> Iterator[str]:
    """Yield the names of the files of a set that were replaced, as they are.

    Each appears whole or not at all; whoever is killed goes on with the files that are left.

    Args:
        url: the set's folder, with its manifest.
        origin: folder or URL of a copy.

    Raises:
        ValueError: the set has no manifest, or the copy has another of the same set; or, when all
            others are done, files that are damaged or cannot be read there too.
    """
    if not sets.has_manifest(url):
        raise ValueError(
            f"{url}: no {sets.MANIFEST}, so nothing tells what should be here; copy "
            f"{storage.join(origin, sets.MANIFEST)} there, if it is of this very set"
        )
    manifest = sets.read_manifest(url)
    _refuse_other(manifest, url, origin)
    files = {name: file for part in manifest.parts for name, file in part.files.items()}
    files.update(manifest.files)
    failed: list[str] = []
    with Progress("repair", total=sum(file.num_bytes for file in files.values()), unit="B") as bar:
        done = 0
        for name, file in sorted(files.items()):
            place = storage.join(url, name)
            if not _is_whole(place, file):
                try:
                    _fetch(storage.join(origin, name), place, file)
                    yield name
                except FileNotFoundError:
                    failed.append(f"{name}: not in the copy")
                except (ValueError, OSError, *storage.client_errors()) as error:
                    failed.append(f"{name}: {error}")
            done += file.num_bytes
            bar.update(done)
    for part in manifest.parts:
        name = storage.join("receipts", f"{part.fingerprint}.json")
        found = sets.read_receipt(url, part.fingerprint)
        if found is None:
            sets.commit_part(url, part)
            yield name
        elif found != part:
            failed.append(f"{name}: says otherwise than the manifest, so one was changed")
    if failed:
        more = f"\n... and {len(failed) - _NUM_SHOWN:,} more" if len(failed) > _NUM_SHOWN else ""
        raise ValueError(
            f"{url}: {len(failed)} files could not be replaced from {origin}; where it is the "
            "copy's fault, name another, or remove the set and run its stage again\n"
            + "\n".join(failed[:_NUM_SHOWN])
            + more
        )


def _refuse_other(manifest: sets.Manifest, url: str, origin: str) -> None:
    """Refuse a copy that says otherwise of the same set: one of the two was changed by hand.

    A copy without a manifest, or of another set that shares files, may still have the right ones.
    """
    try:
        other = sets.read_manifest(origin)
    except (ValueError, OSError, *storage.client_errors()):
        return
    if other.id == manifest.id and other.digest() != manifest.digest():
        here, there = (storage.join(place, sets.MANIFEST) for place in (url, origin))
        raise ValueError(
            f"{here} and {there} differ, though both are of set {manifest.id}: one of them was "
            "changed. `python -m corpus verify` tells which; put the other in its place, then "
            "repair again"
        )


def _is_whole(place: str, wanted: sets.File) -> bool:
    try:
        return storage.size(place) == wanted.num_bytes and sets.digest_file(place) == wanted
    except OSError:
        return False  # missing, or it cannot be read: another file may take its place


def _fetch(source: str, place: str, wanted: sets.File) -> None:
    """Copy a file that has the digest it should have."""
    digest, num_bytes = hashlib.sha256(), 0
    with storage.create(place) as target, storage.open_read(source) as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            target.write(chunk)
            num_bytes += len(chunk)
        if sets.File(num_bytes=num_bytes, sha256=digest.hexdigest()) != wanted:
            # Raised while the file is open: so it never appears.
            raise ValueError(
                f"{source}: {num_bytes:,} bytes with sha256 {digest.hexdigest()}; the manifest "
                f"says {wanted.num_bytes:,} with {wanted.sha256}"
            )
