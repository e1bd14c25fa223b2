"""Hold what the manifest of a shard set says against what follows from its identity and its files.

The id is the hash of the identity alone, and files have digests; counts and facts have neither. All
of them that follow from something else are computed anew here. corpus/FORMAT.md says which are
recorded only.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from corpus import identity, sets
from corpus.bins import bins_of, num_bins, partitions
from corpus.row_facts import row_facts
from corpus.sets import Manifest, Receipt
from corpus.shards import SHARD_FORMAT, WORDS_FORMAT

_SUFFIXES = ("arrow", "documents.arrow", "unigram.arrow")
_TOLERANCE = 1.5e-6
"""Of ratios and entropies, which are rounded to a millionth: sums of logarithms differ in their
last bits between machines."""
_NUMBERS = ("num_rows", "num_tokens", "num_documents")

Place = tuple[str, str, int, int]
"""Source, subset, row length and bin of a shard."""


def places(manifest: Manifest) -> dict[str, Place]:
    """Return the shards that a set must have, by name, from its identity and what was kept."""
    section = manifest.identity["section"]
    bins = num_bins(manifest.facts["fates"], bin_mb=section["bin_mb"])
    return {
        f"{source}-{subset}-{length}-{number:05d}": (source, subset, length, number)
        for source in bins
        for subset, number in partitions(source, bins=bins)
        for length in section["row_lengths"]
    }


def malformed(manifest: Manifest) -> Iterator[str]:
    """Yield a line for each fact that is no number, or no table, where one is needed."""
    fates = manifest.facts.get("fates")
    if not isinstance(fates, dict) or not all(
        _is_fate(name) and isinstance(number, int) for name, number in fates.items()
    ):
        yield "facts.fates is no table of counts by source and fate"
    if not isinstance(manifest.facts.get("encoder", {}), dict):
        yield "facts.encoder is no table"
    if malformed_record(manifest):
        yield "facts.forgotten is no table with what became of shards"
    for part in manifest.parts:
        numbers = {name: part.facts.get(name) for name in (*_NUMBERS, "bigram_entropy_nats")}
        for where, values in (("facts", numbers), ("counts", part.counts)):
            for name, value in values.items():
                if not isinstance(value, int | float):
                    yield f"parts.{part.name}.{where}.{name} is {value!r}, should be a number"


def _is_fate(name: str) -> bool:
    """Tell whether a count is of a source and a fate, of a kept document with its subset."""
    what = name.split(" ")[2:]
    return bool(what) and (what[0] != "kept" or len(what) > 1)


def malformed_record(manifest: Manifest) -> bool:
    """Tell whether what a manifest says of forgotten documents cannot be read."""
    record = manifest.facts.get("forgotten", {"shards": {}})
    shards = record.get("shards") if isinstance(record, dict) else None
    return not isinstance(shards, dict) or not all(
        isinstance(one, dict)
        and isinstance(one.get("files"), dict)
        and all(isinstance(digests, dict) and "new" in digests for digests in one["files"].values())
        for one in shards.values()
    )


def of_manifest(manifest: Manifest) -> Iterator[str]:
    """Yield a line for every key whose value does not follow from others, without any file.

    Args:
        manifest: of shards; its id is that of its identity, and nothing in it is malformed.
    """
    section, facts = manifest.identity["section"], manifest.facts
    wanted, names = places(manifest), {part.name for part in manifest.parts}
    for name in sorted(wanted.keys() - names):
        yield f"parts lack {name}, which facts.fates and the identity ask for"
    for name in sorted(names - wanted.keys()):
        yield f"parts name {name}, which facts.fates and the identity do not ask for"
    rewritten = facts.get("forgotten", {}).get("shards", {})
    for part in manifest.parts:
        if part.name in wanted:
            yield from _part(part, wanted[part.name], is_rewritten=part.name in rewritten)
    yield from _fates(manifest)
    licences = {name: source["licence"] for name, source in section["sources"].items()}
    yield from differs("facts.licences", facts.get("licences"), licences)
    for name in ("packing", "row_lengths"):
        yield from differs(f"facts.{name}", facts.get(name), section[name])
    words = section.get("segmenters", {})
    wanted_format = WORDS_FORMAT if words else SHARD_FORMAT
    yield from differs("facts.shard_format", facts.get("shard_format"), wanted_format)
    for part in manifest.parts:
        name = words.get(part.facts.get("source"))
        shown = name and f"{name} {manifest.identity['libraries'].get(name)}"
        where = f"parts.{part.name}.facts.segmenter"
        yield from differs(where, part.facts.get("segmenter"), shown)
    libraries, encoder = manifest.identity["libraries"], facts.get("encoder", {})
    version = libraries.get(encoder.get("encoder"), libraries.get("tokenizers"))
    yield from differs("facts.encoder.version", encoder.get("version"), version)
    yield from _forgotten(manifest)


def _part(part: Receipt, place: Place, *, is_rewritten: bool) -> Iterator[str]:
    """Yield what a part says of itself that does not fit its name, or its own counts."""
    *what, _ = place
    facts, where = part.facts, f"parts.{part.name}"
    for name, value in zip(("source", "subset", "row_length"), what, strict=True):
        yield from differs(f"{where}.facts.{name}", facts.get(name), value)
    files = [f"{part.name}.{suffix}" for suffix in _SUFFIXES]
    yield from differs(f"{where}.files", sorted(part.files), files)
    own = " ".join(map(str, what))
    counts = dict(part.counts)
    for name in _NUMBERS:
        key = f"{name} {own}"
        yield from differs(f"{where}.counts.{key}", counts.pop(key, None), facts.get(name))
    key = f"num_pieces {own}"
    if key not in counts:
        yield f"{where}.counts.{key} is missing"
        return
    num_pieces = counts.pop(key)
    # Every piece but the last of a document ends with a cut; which kind is told by no file.
    num_cuts = sum(number for key, number in counts.items() if key.endswith(f"_cuts {own}"))
    expected = num_pieces - facts["num_documents"]
    if num_cuts < expected if is_rewritten else num_cuts != expected:
        at_least = "at least " if is_rewritten else ""
        yield (
            f"{where}.counts: {num_cuts:,} cuts, by its pieces and documents {at_least}{expected:,}"
        )
    others = [
        key
        for key in counts
        if not key.endswith(f"_cuts {own}") or (key.startswith("num_packed_") and not is_rewritten)
    ]
    if others:
        yield f"{where}.counts names what is no count of such a shard: {', '.join(others[:3])}"


def _fates(manifest: Manifest) -> Iterator[str]:
    """Yield what does not add up in what became of the documents, and what of them is not there."""
    fates, sources = manifest.facts["fates"], manifest.identity["section"]["sources"]
    into: dict[str, int] = {}
    out: dict[str, int] = {}
    for name, number in fates.items():
        unit, source, *what = name.split(" ")
        if source not in sources:
            yield f"facts.fates has {source!r}, which is no source of the identity"
        side = into if what == ["in"] else out
        if unit in ("num_documents", "num_bytes") and what[0] in ("in", "kept", "dropped", "cut"):
            side[f"{unit} {source}"] = side.get(f"{unit} {source}", 0) + number
    for name in sorted(into.keys() | out.keys()):
        yield from differs(f"facts.fates.{name} in", into.get(name, 0), out.get(name, 0))


def _forgotten(manifest: Manifest) -> Iterator[str]:
    """Yield what the manifest says of forgotten documents that does not fit its identity."""
    packed = {name: value for name, value in manifest.identity.items() if name != "forgotten"}
    record = manifest.facts.get("forgotten")
    wanted = sets.set_id("shards", packed) if "forgotten" in manifest.identity else None
    yield from differs("facts.forgotten.set", record and record.get("set"), wanted)


def differs(where: str, found: Any, expected: Any) -> Iterator[str]:
    """Yield a line that names a key where its value is not what it should be."""
    if isinstance(expected, float) and isinstance(found, int | float):
        if abs(found - expected) <= _TOLERANCE:
            return
    elif found == expected and type(found) is type(expected):
        return
    yield f"{where} is {found!r}, should be {expected!r}"


class Gathered:
    """What the shards of a set hold, as far as its facts and other shards depend on it."""

    def __init__(self, manifest: Manifest) -> None:
        """Begin without a shard."""
        self._manifest = manifest
        self._places = places(manifest)
        self._unigrams: dict[tuple[str, int], NDArray[np.int64]] = {}
        self._num_documents: dict[tuple[str, str, int], int] = {}
        self._bins: dict[tuple[str, str, int], tuple[str, str, str]] = {}
        self._num_bins: dict[tuple[str, str], int] = {}
        for source, subset, _, number in self._places.values():
            known = self._num_bins.get((source, subset), 0)
            self._num_bins[source, subset] = max(known, number + 1)

    def add(self, name: str, documents: pa.Table, counts: NDArray[np.int64]) -> Iterator[str]:
        """Take in a shard, and yield how it differs from what its name, or another one, says.

        Args:
            name: of the shard.
            documents: its table of them.
            counts: of its unigram file, int64 [vocabulary].
        """
        if name not in self._places:
            return  # `of_manifest` says so
        source, subset, length, number = self._places[name]
        ids = documents["id"].to_numpy()
        wrong = np.flatnonzero(identity.document_ids(source, documents["key"].to_pylist()) != ids)
        if wrong.size:
            yield f"document {wrong[0]} and {wrong.size - 1:,} more have other ids than their keys'"
        seed = self._manifest.identity["section"]["seed"]
        bins = bins_of(ids, num=self._num_bins[source, subset], seed=seed)
        num_others = int((bins != number).sum())
        if num_others:
            yield f"{num_others:,} of its documents belong into other bins by their ids"
        if subset == "train":
            key = source, length
            known = self._unigrams.get(key)
            self._unigrams[key] = counts if known is None else known + counts
        gone = self._manifest.facts.get("forgotten", {}).get("shards", {}).get(name, {})
        kind = source, subset, length
        found = len(ids) + gone.get("num_documents", 0)
        self._num_documents[kind] = self._num_documents.get(kind, 0) + found
        own, tokens = (identity.digest(values.astype("<u8").tobytes()) for values in (ids, counts))
        first = self._bins.setdefault((source, subset, number), (name, own, tokens))
        for what, mine, its in (
            ("documents", own, first[1]),
            ("tokens of text", tokens, first[2]),
        ):
            if mine != its:
                yield f"its {what} are not those of {first[0]}, which holds the same bin"

    def differences(self) -> Iterator[str]:
        """Yield a line for each fact that does not follow from the shards, once all are in."""
        facts = self._manifest.facts
        for (source, subset, length), number in self._num_documents.items():
            key = f"num_documents {source} kept {subset}"
            kept = facts["fates"].get(key, 0)
            # Of a document without a single token there is no row.
            if number > kept:
                yield f"facts.fates.{key} is {kept:,}, in rows of {length} tokens are {number:,}"
        wanted = row_facts(
            [part for part in self._manifest.parts if part.name in self._places],
            self._unigrams,
            row_lengths=self._manifest.identity["section"]["row_lengths"],
        )
        for name, values in wanted.items():
            found = facts.get(name)
            if not isinstance(found, dict) or found.keys() != values.keys():
                yield from differs(f"facts.{name}", found, values)
                continue
            for key, value in values.items():
                yield from differs(f"facts.{name}.{key}", found[key], value)
