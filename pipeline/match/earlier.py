"""Which corpora made before a recipe names, and whether this one can be compared with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from corpus import identity, sets, storage
from corpus.sets import Manifest
from pipeline.measure import minhash
from pipeline.parts import part_inputs
from pipeline.recipe import Earlier, Matches, Recipe
from pipeline.text import words


@dataclass(frozen=True, kw_only=True)
class Found:
    """The sets of one earlier corpus."""

    name: str
    data: str
    documents: Manifest
    measures: Manifest
    fates: Manifest | None
    """None: all documents count, not only those that were kept."""

    def content(self) -> dict[str, Any]:
        """Return what a comparison with it depends on."""
        return {
            "name": self.name,
            "documents": self.documents.digest(),
            "measures": self.measures.digest(),
            "fates": self.fates.digest() if self.fates else None,
        }


def find(recipe: Recipe, *, data: str) -> list[Found]:
    """Return the sets of the earlier corpora of a recipe, in its order.

    Raises:
        ValueError: there is no such corpus, it is this one, or its signatures are others; the
            message says which, and the cure.
    """
    return [_find(earlier, recipe, data=data) for earlier in recipe.matches.earlier]


def _find(earlier: Earlier, recipe: Recipe, *, data: str) -> Found:
    where, name = earlier.data or data, earlier.corpus or earlier.name
    if name == recipe.name and where.rstrip("/") == data.rstrip("/"):
        raise ValueError(
            f"matches.earlier {earlier.name!r}: that is this corpus itself; give the recipe "
            "another `name`, or name the earlier corpus by the id of its fates set"
        )
    stage = "fates" if earlier.which == "kept" else "measures"
    pointers = sets.read_corpus(where, name)
    first = sets.folder(where, stage, pointers.get(stage, "") or name)
    if not sets.has_manifest(first):
        known = ", ".join(sets.list_corpora(where)) or "none"
        raise ValueError(
            f"matches.earlier {earlier.name!r}: {where} has no finished {stage} of a corpus, and "
            f"no set, {name!r} (corpora: {known}); make it with `python -m pipeline {stage}`, or "
            "correct `data` and `corpus`"
        )
    manifest = sets.read_manifest(first)
    fates = manifest if stage == "fates" else None
    measured = _parent(manifest, "measures", where, pointers) if fates else manifest
    found = Found(
        name=earlier.name,
        data=where,
        documents=_parent(measured, "documents", where, pointers),
        measures=measured,
        fates=fates,
    )
    _check_alike(found, recipe.matches)
    return found


def _parent(child: Manifest, stage: str, data: str, pointers: Mapping[str, str]) -> Manifest:
    """Return the set that another one was made from."""
    digest = child.identity["parents"][stage]
    ids = storage.names(storage.join(data, stage))
    likely = pointers.get(stage, "")
    for name in sorted(ids, key=lambda name: name != likely):
        url = sets.folder(data, stage, name)
        if sets.has_manifest(url) and (found := sets.read_manifest(url)).digest() == digest:
            return found
    raise ValueError(
        f"{sets.folder(data, child.stage, child.id)}: the {stage} set that it was made from is "
        "gone; make that corpus again"
    )


def _check_alike(found: Found, config: Matches) -> None:
    """Check that band keys and shingles of both corpora mean the same."""
    signature = found.measures.facts.get("signature", {})
    section = found.measures.identity["section"]
    pairs = {
        "num_permutations": (signature.get("num_permutations"), config.num_permutations),
        "seed": (signature.get("seed"), config.seed),
        "shingle_words": (section.get("shingle_words"), config.shingle_words),
    }
    other = [f"{name} = {theirs}" for name, (theirs, ours) in pairs.items() if theirs != ours]
    if other:
        raise ValueError(
            f"matches.earlier {found.name!r}: that corpus was measured with {', '.join(other)}; "
            "set the same in [matches], or measure it again as this recipe has it"
        )
    made = (signature.get("scheme"), signature.get("hash"), section.get("words"))
    if made != (minhash.SCHEME, minhash.HASH, words.WORDS_VERSION):
        raise ValueError(
            f"matches.earlier {found.name!r}: that corpus was measured by another version of this "
            "program, which cuts or hashes words otherwise; make its measures and fates again"
        )


def entries(
    found: Sequence[Found], measured: Manifest, documents: Manifest, *, data: str
) -> list[dict[str, Any]]:
    """Return the parts of this corpus (side 0) and of the earlier ones (sides 1, 2, ...).

    Returns:
        For each part: name, side, num_bytes, the addresses of its measures, documents and fates
        ("" if all count), the digest of each, and a tag: 64 bits that name it.
    """
    sides = [
        Found(name="", data=data, documents=documents, measures=measured, fates=None),
        *found,
    ]
    result: list[dict[str, Any]] = []
    for side, corpus in enumerate(sides):
        texts = _by_name(corpus.documents, corpus.data)
        fates = _by_name(corpus.fates, corpus.data) if corpus.fates else {}
        for part in part_inputs(corpus.measures, data=corpus.data):
            text, fate = texts[part["name"]], fates.get(part["name"])
            result.append(
                {
                    "name": f"{side}-{part['name']}",
                    "side": side,
                    "num_bytes": text["num_bytes"],
                    "measures": part["url"],
                    "documents": text["url"],
                    "fates": fate["url"] if fate else "",
                    "text": text["content"],
                    "content": [side, part["content"], fate["content"] if fate else None],
                    "tag": int(identity.fingerprint([side, text["content"]])[:16], 16),
                }
            )
    return result


def _by_name(manifest: Manifest, data: str) -> dict[str, dict[str, Any]]:
    return {part["name"]: part for part in part_inputs(manifest, data=data)}
