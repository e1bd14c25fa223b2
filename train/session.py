"""What a recipe and a shard set give together: the rows, their order, the masks and an identity."""

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from corpus import proven, storage
from corpus.shards import ShardSet
from train import pairs, phases, vocabulary
from train.cache import cached_files
from train.saved import State
from train.stream import VERSION, Rows, Stream, read

if TYPE_CHECKING:
    from train.recipe import Recipe

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """A recipe bound to shards that fit it."""

    recipe: "Recipe"
    shards: ShardSet
    stream: Stream

    @property
    def num_steps(self) -> int:
        """Optimizer steps of the whole run."""
        return self.stream.num_steps

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of all sources that a phase reads, in alphabetical order."""
        return tuple(sorted({name for part in self.stream.readings for name in part.rows}))

    @property
    def row_length(self) -> int:
        """Tokens of a row in the last phase, which is what the model is left with."""
        return self.stream.timeline.phases[-1].row_length

    def tokens(self, step: int) -> int:
        """Return the tokens of the run before a step, padding included."""
        return self.stream.timeline.tokens(step)

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of a step: a schedule in tokens, whatever the phases."""
        size = self.stream.timeline.of_step(step).tokens_per_step
        return self.recipe.schedule.learning_rate(
            self.tokens(step) / size, num_steps=self.tokens(self.num_steps) / size
        )

    def check_batches(self, *, world_size: int) -> None:
        """Check that the global batch of every phase divides over the ranks.

        Raises:
            ValueError: it does not; the message suggests what does.
        """
        for phase in self.stream.timeline.phases:
            phase.micro_batches(world_size=world_size)

    def prove(self, *, subset: str = "train") -> None:
        """Compare the digests of the shards that are read, as [data] verify says.

        Only of a set on this machine: what is fetched is compared then.

        Args:
            subset: train, or what is evaluated on: held_out.

        Raises:
            ValueError: some are missing or damaged; the message names them and the cure.
        """
        folder, how = storage.local_path(self.shards.url), self.recipe.data.verify
        if folder is None or how == "never":
            return
        read = {
            (source, subset, rows.row_length)
            for part in self.stream.readings
            for source, rows in part.rows.items()
        }
        names = [
            name
            for shard in self.shards.shards
            if (shard.source, shard.subset, shard.row_length) in read
            for name in shard.row_files()
        ]
        begin = time.monotonic()
        files = {name: self.shards.files[name] for name in names}
        if num_bytes := proven.prove(folder, files, again=how == "always"):
            seconds = time.monotonic() - begin
            log.info("shards are whole: %.2f GB compared in %.1f s", num_bytes / 1e9, seconds)

    def unigram(self) -> NDArray[np.float64]:
        """Return float64 [V]: how often each id comes up, sources weighted as in the mixture."""
        length = self.recipe.data.row_length
        total = np.zeros(self.shards.vocabulary)
        quotas = self.stream.mixture.quotas / self.stream.mixture.quotas.sum()
        num_tokens = 0
        for name, share in zip(self.stream.mixture.sources, quotas, strict=True):
            counts = self.shards.unigram(name, length)
            total += share * counts / max(1, counts.sum())
            num_tokens += int(counts.sum())
        return total * num_tokens

    def state(self, *, step: int, chain: str) -> State:
        """Describe the run after `step` steps, for a checkpoint."""
        return State(
            step=step,
            next_row=self.stream.timeline.first_row(step),
            chain=chain,
            recipe=self.recipe.identity(),
            shards_id=self.shards.id,
            shards_digest=self.shards.digest,
            tokenizer_digest=self.shards.tokenizer_digest,
            stream_version=VERSION,
        )


def bind(recipe: "Recipe", shards: ShardSet) -> Session:
    """Open the rows that a recipe asks for.

    Raises:
        ValueError: the shards lack a source or the row length, or hold sentence pairs of which the
            recipe says nothing; the message names what exists.
    """
    paired = pairs.of(recipe, shards)
    local = storage.local_path(shards.url)
    fetch = cached_files(shards, recipe.cache) if local is None else None

    def rows(name: str, length: int) -> Rows:
        # Of a local set the size of every file is looked at: better now than in mid-run.
        opened = shards.rows(name, "train", length, fetch=fetch)
        if not opened.num_rows:
            raise ValueError(
                f"{shards.url}: source {name!r} has no train rows of {length} tokens; leave it "
                "out of [data] shards, or give the corpus recipe more text"
            )
        return opened

    timeline = phases.timeline(recipe)
    stream = Stream(
        readings=read(timeline, rows, sources=tuple(shards.sources)),
        timeline=timeline,
        seed=recipe.seed,
        mask=recipe.mask,
        vocabulary=vocabulary.of_shards(shards, words=recipe.mask.unit == "word"),
        order=recipe.data.order,
        block_shards=recipe.data.block_shards,
        pairs=paired,
    )
    return Session(recipe=recipe, shards=shards, stream=stream)


def words_note(session: Session) -> str:
    """Say in which sources whole words are asked for and each token is one.

    Those whose text is written without spaces, which no segmenter has cut into words. It is judged
    by what their rows' text was found to be, not by the language that a recipe claims.

    Returns:
        A line; empty where there are none.
    """
    if session.recipe.mask.unit != "word":
        return ""
    shards = session.shards
    cut = {shard.source for shard in shards.shards if shard.has_word_starts}
    found: dict[str, list[str]] = {}
    for one in cast("list[dict[str, Any]]", shards.manifest.facts.get("tokenizer_checks", [])):
        source = str(one["source"])
        # Of these each letter was counted as a word.
        if source not in cut and 2 * one.get("num_letters", 0) > one["num_words"]:
            found.setdefault(source, []).append(str(one["language"]) or "?")
    mine = [name for name in session.sources if name in found]
    listed = ", ".join(f"{name} ({', '.join(found[name])})" for name in mine)
    if not listed:
        return ""
    return (
        f'[mask] unit = "word", but in {listed} each token is a word: written without spaces, and '
        'no segmenter found words; say segmenter = "icu" in the corpus recipe and run `make shards`'
    )


def run_folder(run: str) -> Path:
    """Return the local folder of a run.

    Raises:
        ValueError: RUN is on an object store.
    """
    path = storage.local_path(run)
    if path is None:
        raise ValueError(
            f"{run}: a run lives in a local folder, since checkpoints are renamed into place; "
            "give a local RUN and copy it afterwards"
        )
    return path
