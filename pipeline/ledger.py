"""Open what a recipe has made so far, to ask about it; nothing here writes."""

from dataclasses import dataclass
from typing import Any

from corpus import sets
from corpus.sets import Manifest
from pipeline import fates, parts, recipe
from pipeline.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """The finished sets of one corpus."""

    recipe: Recipe
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
                f"{self.data}: corpus {self.recipe.name!r} has no {folder} yet; "
                f"run `make {command} DATA={self.data}`"
            )
        return self.manifests[folder]

    def url(self, folder: str) -> str:
        """Return where a stage's set lies."""
        return sets.folder(self.data, folder, self.manifest(folder).id)

    def inputs(self, folder: str) -> list[dict[str, Any]]:
        """Return the parts of a stage's set (parts.part_inputs)."""
        return parts.part_inputs(self.manifest(folder), data=self.data)

    def fates_id(self) -> str:
        """Return the id that the fates of this recipe have, made or not."""
        stage = fates.stage(
            self.recipe, self.manifest("measures"), self.manifest("matches"), data=self.data
        )
        return sets.set_id("fates", stage.identity)


def open_ledger(path: str, *, data: str, dump: str = "") -> Ledger:
    """Open the sets of a recipe's corpus.

    Args:
        path: of the recipe, or the name of a shipped one.
        data: the DATA folder or URL.
        dump: what ${DUMP} in the recipe stands for; need not be there any more.

    Raises:
        ValueError: the recipe is wrong, or nothing was made of its corpus yet.
    """
    found = recipe.load(path, variables={"DUMP": dump or "-"})
    pointers = sets.read_corpus(data, found.name)
    if not pointers:
        raise ValueError(
            f"{data}: nothing made of corpus {found.name!r} yet; run `make shards DATA={data}`"
        )
    manifests = {}
    for folder in sets.STAGES:
        url = sets.folder(data, folder, pointers.get(folder, "-"))
        if folder in pointers and sets.has_manifest(url):
            manifests[folder] = sets.read_manifest(url)
    return Ledger(recipe=found, data=data, manifests=manifests)
