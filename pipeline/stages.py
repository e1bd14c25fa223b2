"""The stages in order: each is made from those before it, unless it is finished."""

from collections.abc import Callable
from dataclasses import dataclass

from corpus import sets, storage
from corpus.lock import locked
from corpus.sets import Manifest
from pipeline import documents, fates, matches, measures, plan, shards, tokenizer
from pipeline.forgetting import forget
from pipeline.match import additions
from pipeline.measure import quality
from pipeline.recipe import Recipe
from pipeline.running import flow
from pipeline.running.runner import Runner
from pipeline.segmenting import segmenters
from pipeline.text import language

FOLDERS = {
    "documents": "documents",
    "measures": "measures",
    "matches": "matches",
    "fates": "fates",
    "tokenizer": "tokenizers",
    "shards": "shards",
}
"""Stage commands and the folders of their sets, in order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """What became of one stage of a run."""

    command: str
    manifest: Manifest
    url: str
    is_new: bool


def run(
    recipe: Recipe,
    *,
    data: str,
    upto: str,
    runner: Runner,
    say: Callable[[Made], None],
) -> list[Made]:
    """Make all stages up to one of them; those that are finished cost nothing.

    Args:
        recipe: the corpus recipe.
        data: the DATA folder or URL.
        upto: a key of FOLDERS.
        runner: where Beam runs.
        say: told of each stage as it is done.

    Raises:
        ValueError: bad input or recipe, or another run holds the folder.
    """
    runner.check(
        data=data,
        raw=[
            *(path for named in (*recipe.source, *recipe.evaluation) for path in named.paths),
            *(earlier.data for earlier in recipe.matches.earlier if earlier.data),
            *filter(None, [recipe.measures.language_model, recipe.measures.quality_model]),
        ],
    )
    storage.check_folder(data)
    language.check(recipe)
    quality.check(recipe)
    if upto == "shards":
        segmenters.check(recipe)
    # Everything that can be wrong with the input is found here, before anything is written.
    additions.check(recipe, data=data, is_matched=upto not in ("documents", "measures"))
    files, known = plan.raw_files(plan.find(recipe.source), data=data)
    if recipe.tokenizer.path is not None:
        tokenizer.pinned(recipe.tokenizer.path)
    done: dict[str, Manifest] = {}
    made: list[Made] = []
    with locked(data, command=f"pipeline {upto}"):
        for folder in (".", "corpora", "forgotten"):
            sets.sweep(data, below=folder)
        plan.remember(known, data=data)
        for command, folder in FOLDERS.items():
            stage = _stage(command, recipe, files, done, data=data)
            if command == "shards":
                manifest, is_new = forget.make_shards(stage, recipe.name, data=data, runner=runner)
            else:
                manifest, is_new = flow.make(stage, data=data, runner=runner)
            done[command] = manifest
            sets.point_corpus(data, recipe.name, folder, manifest.id)
            made.append(
                Made(
                    command=command,
                    manifest=manifest,
                    url=sets.folder(data, folder, manifest.id),
                    is_new=is_new,
                )
            )
            say(made[-1])
            if command == upto:
                return made
            if command == "fates":
                _refuse_nothing_kept(manifest)
    raise ValueError(f"unknown stage {upto!r}; stages: {', '.join(FOLDERS)}")


def _refuse_nothing_kept(decided: Manifest) -> None:
    """Check that there is text to train on.

    Raises:
        ValueError: every document was dropped or held out; the message names the main reasons.
    """
    counts = {
        name.removeprefix("num_documents "): number
        for name, number in decided.counts.items()
        if name.startswith("num_documents ") and not name.endswith(" in")
    }
    if not any(name.endswith("kept train") for name in counts):
        most = sorted(counts.items(), key=lambda entry: -entry[1])[:3]
        reasons = ", ".join(f"{name}: {number:,}" for name, number in most)
        raise ValueError(
            f"no document is left to train on ({reasons or 'the input has none'}); "
            "see `make report`, and loosen the rules or give more text"
        )


def _stage(
    command: str,
    recipe: Recipe,
    files: list[plan.RawFile],
    done: dict[str, Manifest],
    *,
    data: str,
) -> flow.Stage:
    if command == "documents":
        return documents.stage(recipe, files)
    if command == "measures":
        return measures.stage(recipe, done["documents"], data=data)
    if command == "matches":
        return matches.stage(recipe, done["measures"], done["documents"], data=data)
    if command == "fates":
        return fates.stage(recipe, done["measures"], done["matches"], data=data)
    if command == "tokenizer":
        return tokenizer.stage(recipe, done["fates"], done["documents"], data=data)
    return shards.stage(recipe, done["documents"], done["fates"], done["tokenizer"], data=data)
