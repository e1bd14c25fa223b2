"""Open what was made of a corpus so far, to ask about it; nothing here writes."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from corpus import sets
from corpus.sets import Manifest
from pipeline import fates, parts
from pipeline.match import clusters
from pipeline.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """The finished sets of one corpus."""

    name: str
    data: str
    manifests: dict[str, Manifest]
    """By stage folder: those that the corpus points at."""

    def manifest(self, folder: str) -> Manifest:
        """Return the manifest of a stage.

        Raises:
            ValueError: the corpus has no such set yet.
        """
        if folder not in self.manifests:
            command = "tokenizer" if folder == "tokenizers" else folder
            raise ValueError(
                f"{self.data}: corpus {self.name!r} has no {folder} yet; "
                f"run `make {command} DATA={self.data}`"
            )
        return self.manifests[folder]

    def url(self, folder: str) -> str:
        """Return where a stage's set lies."""
        return sets.folder(self.data, folder, self.manifest(folder).id)

    def inputs(self, folder: str) -> list[dict[str, Any]]:
        """Return the parts of a stage's set (parts.part_inputs)."""
        return parts.part_inputs(self.manifest(folder), data=self.data)

    def is_current(self, folder: str) -> bool:
        """Tell whether a stage was made, from sets that this ledger has and that are current."""
        if folder not in self.manifests:
            return False
        parents = self.manifests[folder].identity["parents"]
        return all(
            self.manifests[name].digest() == digest and self.is_current(name)
            for name, digest in parents.items()
            if name in self.manifests
        )

    def fates_id(self, recipe: Recipe) -> str:
        """Return the id that the fates of a recipe have over these measures, made or not."""
        stage = fates.stage(
            recipe, self.manifest("measures"), self._matches_for(recipe), data=self.data
        )
        return sets.set_id("fates", stage.identity)

    def _matches_for(self, recipe: Recipe) -> Manifest:
        """Return matches that know the clusters at a recipe's near_duplicate, else the corpus's."""
        matched = self.manifest("matches")
        section = dict(matched.identity["section"])
        section["cover"] = str(clusters.cover(Fraction(str(recipe.fates.near_duplicate))))
        if "earlier" in section:
            section["earlier"] = {**section["earlier"], "cover": section["cover"]}
        what = {**matched.identity, "section": section}
        url = sets.folder(self.data, "matches", sets.set_id("matches", what))
        return sets.read_manifest(url) if sets.has_manifest(url) else matched


def open_ledger(name: str, *, data: str) -> Ledger:
    """Open the sets of a corpus.

    Args:
        name: of the corpus, which is that of its recipe.
        data: the DATA folder or URL.

    Raises:
        ValueError: nothing was made of it yet.
    """
    pointers = sets.read_corpus(data, name)
    if not pointers:
        raise ValueError(
            f"{data}: nothing made of corpus {name!r} yet; run `make shards DATA={data}`"
        )
    manifests: dict[str, Manifest] = {}
    for folder in sets.STAGES:
        url = sets.folder(data, folder, pointers.get(folder, "-"))
        if folder in pointers and sets.has_manifest(url):
            manifests[folder] = sets.read_manifest(url)
    return Ledger(name=name, data=data, manifests=manifests)
