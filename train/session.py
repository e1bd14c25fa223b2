"""What a recipe and a shard set give together: the rows, their order, the masks and an identity."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from corpus import storage
from corpus.shards import ShardSet
from train import order
from train.mask import Vocabulary
from train.saved import State
from train.stream import Rows, Stream, weights_or_sizes

if TYPE_CHECKING:
    from train.recipe import Recipe


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
    def tokens_per_step(self) -> int:
        """Tokens of one step, padding included."""
        return self.recipe.schedule.rows_per_step * self.recipe.data.row_length

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
        from train.saved import State

        return State(
            step=step,
            next_row=step * self.recipe.schedule.rows_per_step,
            chain=chain,
            recipe=self.recipe.identity(),
            shards_id=self.shards.id,
            shards_digest=self.shards.digest,
            tokenizer_digest=self.shards.tokenizer_digest,
            order_version=order.VERSION,
        )


def bind(recipe: "Recipe", shards: ShardSet) -> Session:
    """Open the rows that a recipe asks for.

    Raises:
        ValueError: the shards lack a source or the row length; the message names what exists.
    """
    length = recipe.data.row_length
    names = list(recipe.data.shards or shards.sources)
    rows: dict[str, Rows] = {name: shards.rows(name, "train", length) for name in names}
    for name, part in rows.items():
        if not part.num_rows:
            raise ValueError(
                f"{shards.url}: source {name!r} has no train rows of {length} tokens; leave it "
                "out of [data] shards, or give the corpus recipe more text"
            )
    special = (shards.pad_id, shards.unk_id, shards.cls_id, shards.sep_id, shards.mask_id)
    stream = Stream(
        rows=rows,
        mixture=weights_or_sizes(recipe.data.shards, rows),
        seed=recipe.seed,
        mask=recipe.mask,
        vocabulary=Vocabulary(size=shards.vocabulary, mask_id=shards.mask_id, special_ids=special),
        rows_per_step=recipe.schedule.rows_per_step,
        num_steps=recipe.num_steps(),
    )
    return Session(recipe=recipe, shards=shards, stream=stream)


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
