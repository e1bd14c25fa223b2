"""What the stream reads from; protocols, so that rows may come from memory.

Shapes: B rows, L tokens of a row, N pieces.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class RowBatch(Protocol):
    """What `corpus.rows.RowBatch` offers."""

    @property
    def input_ids(self) -> NDArray[np.int64]:
        """int64 [B, L]: pieces as [CLS] text [SEP], then padding."""
        ...

    @property
    def piece_ends(self) -> NDArray[np.int32]:
        """int32 [N]: exclusive end of each piece in its row."""
        ...

    @property
    def piece_rows(self) -> NDArray[np.int32]:
        """int32 [N]: the row of the batch that each piece lies in, non-decreasing."""
        ...

    @property
    def piece_documents(self) -> NDArray[np.uint64]:
        """uint64 [N]: the document of each piece."""
        ...


class Rows(Protocol):
    """Random access to the rows of one source; `corpus.rows.Rows` is one."""

    @property
    def num_rows(self) -> int:
        """How many rows there are."""
        ...

    @property
    def row_length(self) -> int:
        """Tokens of a row, padding included."""
        ...

    @property
    def sizes(self) -> tuple[int, ...]:
        """Rows of each shard, in order."""
        ...

    @property
    def has_word_starts(self) -> bool:
        """Whether the rows say which tokens begin a word; asked only when words are hidden."""
        ...

    def take(
        self,
        indices: NDArray[np.int64],
        *,
        into: NDArray[np.int64] | None = None,
        at: NDArray[np.int64] | None = None,
        starts: NDArray[np.bool_] | None = None,
    ) -> RowBatch:
        """Return the rows of these numbers, written into `into` [B, L] at the lines `at`, rising.

        Without both, they are in an array of their own, in the order asked for. Which tokens begin
        a word is written into `starts` [B, L], where `has_word_starts`.
        """
        ...

    def prepare(self, numbers: Sequence[int]) -> None:
        """Have shards at hand before a row of theirs is asked for."""
        ...
