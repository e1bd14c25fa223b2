"""What a recipe may ask of stage `matches` beside duplicates, each a kind of parts of its own.

contamination-<documents part>   examples of evaluation tasks that stand in documents
earlier-{exact,near}-<partition> documents that stand in a corpus made before
lines-<documents part>           lines to cut out of documents
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from corpus import sets, storage
from corpus.sets import Manifest, Receipt
from pipeline.match import boilerplate, decontaminate, earlier, earlier_matches, evaluation
from pipeline.parts import part_inputs
from pipeline.recipe import Recipe
from pipeline.running.flow import Output, Part, Receipts, Step, part_fingerprint

_WORK: dict[str, Callable[[Part, Output], None]] = {
    "contamination": decontaminate.match_part,
    "earlier": earlier_matches.match_part,
    "lines": boilerplate.match_part,
}


@dataclass(frozen=True, kw_only=True)
class Additions:
    """What one recipe asks for over one documents set."""

    section: dict[str, Any]
    """For the identity of the matches set: a key for each kind that is asked for."""
    parents: dict[str, str]
    """Earlier corpora: their sets' digests."""
    files: list[dict[str, Any]]
    """Of evaluation tasks (evaluation.files)."""
    entries: list[dict[str, Any]]
    """Parts on all sides (earlier.entries)."""
    sizes: dict[str, int]
    """How many partitions the comparison with earlier corpora has."""
    inputs: list[dict[str, Any]]
    """Documents parts."""


def check(recipe: Recipe, *, data: str, is_matched: bool) -> None:
    """Check all that can be wrong before anything is written.

    Args:
        recipe: the corpus recipe.
        data: the DATA folder.
        is_matched: whether stage `matches` is going to be made.

    Raises:
        ValueError: a file is missing or has not the columns; an earlier corpus is not there.
    """
    evaluation.check(recipe.evaluation)
    if is_matched:
        earlier.find(recipe, data=data)


def read(
    recipe: Recipe, measured: Manifest, documents: Manifest, *, data: str, cover: str
) -> Additions:
    """Return what a recipe asks for; `cover` as clusters.cover."""
    config = recipe.matches
    files = evaluation.files(recipe.evaluation)
    found = earlier.find(recipe, data=data)
    sides = earlier.entries(found, measured, documents, data=data) if found else []
    everything = [measured, *(one.measures for one in found)]
    section: dict[str, Any] = {}
    if files:
        section["contamination"] = decontaminate.section(files, config)
    if found:
        section["earlier"] = earlier_matches.section(found, config, cover=cover)
    if lines := boilerplate.section(recipe):
        section["lines"] = lines
    return Additions(
        section=section,
        parents={f"earlier {one.name}": (one.fates or one.measures).digest() for one in found},
        files=files,
        entries=sides,
        sizes=earlier_matches.partitions(
            sides, sum(one.counts.get("num_documents", 0) for one in everything), config
        ),
        inputs=part_inputs(documents, data=data),
    )


def steps(added: Additions, *, work: str) -> list[Step]:
    """Return the steps before the parts.

    Args:
        added: what is asked for.
        work: the folder of the set's steps.
    """
    section = added.section
    found: list[Step] = []
    if "contamination" in section:
        found.append(decontaminate.step(added.files, section=section["contamination"]))
    if "earlier" in section:
        found += earlier_matches.steps(
            added.entries, section=section["earlier"], sizes=added.sizes, work=work
        )
    if "lines" in section:
        found += boilerplate.steps(added.inputs, section=section["lines"], work=work)
    return found


def plan_parts(
    receipts: Receipts, *, added: Additions, work: str, core: Callable[[Receipts], list[Part]]
) -> list[Part]:
    """Return the parts of the stage: `core`'s, and those that are asked for."""
    section = added.section
    parts = core(receipts)
    if "contamination" in section:
        parts += decontaminate.plan_parts(
            receipts, inputs=added.inputs, section=section["contamination"], work=work
        )
    if "earlier" in section:
        parts += earlier_matches.plan_parts(
            receipts, section=section["earlier"], sizes=added.sizes, work=work
        )
    if "lines" in section:
        parts += boilerplate.plan_parts(
            receipts, inputs=added.inputs, section=section["lines"], work=work
        )
    return parts


def match_part(part: Part, output: Output, *, core: Callable[[Part, Output], None]) -> None:
    """Do one part of the stage, whichever kind it is."""
    _WORK.get(part.name.split("-", 1)[0], core)(part, output)


def facts(receipts: Sequence[Receipt], url: str, *, section: dict[str, Any]) -> dict[str, Any]:
    """Return what the manifest says of the additions."""
    if "contamination" not in section:
        return {}
    index = sets.read_receipt(
        storage.join(url, "work", "evaluation"),
        part_fingerprint("matches", "evaluation", section["contamination"]),
    )
    assert index is not None, "the tasks were read before the documents"
    return {"contamination": decontaminate.certificate(receipts, url, index=index)}
