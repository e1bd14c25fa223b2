"""Attention inside a document only, over rows that hold several documents.

transformers 5 builds its masks without position ids, so packed rows leak from document to document
unless the attention function itself knows the boundaries. The function here is registered under
its own name, is used while training, and is never written into an exported configuration.

The boundaries come as `pieces=`, or, from loops that hand on plain tensors only, in the place of
the attention mask: int8 [B, 1, 1, L + 1], not zero where a piece begins and behind each row. Masks
of four dimensions reach the attention function as they are, whatever the architecture, and any
other attention function fails on this one, by its shape or its type, instead of leaking.

Shapes: B rows, L tokens of a row, H heads, D channels of a head, T = B * L.
"""

from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel

NAME = "gristmill_pieces"

_DENSE_LENGTH = 256
"""Rows up to this length take one call with a block-diagonal mask on CPU; longer rows loop over
the pieces, which is then faster (measured at 8,192 tokens: 21 times)."""


@dataclass(kw_only=True)
class Pieces:
    """Where the pieces of a batch lie, and the masks that all layers share."""

    bounds: torch.Tensor
    """int32 [N + 1], cumulative lengths that tile the T places; each row's padding is a piece."""
    max_length: int
    """No piece is longer."""
    num_rows: int
    row_length: int
    masks: dict[int | None, torch.Tensor] = field(default_factory=dict)
    """bool [B, 1, L, L] by window, made on first use."""

    @cached_property
    def spans(self) -> list[tuple[int, int]]:
        """The bounds as (start, end) pairs, for the loop."""
        return list(pairwise(self.bounds.tolist()))

    @cached_property
    def segments(self) -> torch.Tensor:
        """int64 [B, L]: the number of the piece of each place."""
        size = self.num_rows * self.row_length
        # With its size known, a GPU need not be waited for.
        found = torch.repeat_interleave(self.bounds.diff().long(), output_size=size)
        return found.view(self.num_rows, self.row_length)

    @cached_property
    def position_ids(self) -> torch.Tensor:
        """int64 [B, L]: positions that begin at zero in each piece."""
        place = torch.arange(self.num_rows * self.row_length, device=self.bounds.device)
        return place.view_as(self.segments) - self.bounds[self.segments]

    def mask(self, window: int | None) -> torch.Tensor:
        """Return who may look at whom: same piece, and closer than `window` places."""
        if window not in self.masks:
            allowed = self.segments[:, None, :, None] == self.segments[:, None, None, :]
            if window is not None:
                place = torch.arange(self.row_length, device=self.bounds.device)
                allowed = allowed & ((place[:, None] - place[None, :]).abs() < window)
            self.masks[window] = allowed
        return self.masks[window]


def pieces(
    piece_ends: NDArray[np.integer],
    piece_rows: NDArray[np.integer],
    *,
    num_rows: int,
    row_length: int,
    device: torch.device | str = "cpu",
) -> Pieces:
    """Describe a batch's pieces.

    Args:
        piece_ends: [N], exclusive end of each piece in its row.
        piece_rows: [N], the row of each piece, non-decreasing.
        num_rows: B.
        row_length: L.
        device: where the tensors go.
    """
    ends = piece_ends.astype(np.int64) + piece_rows.astype(np.int64) * row_length
    # Every row's end is a bound too, so that padding forms pieces of its own.
    bounds = np.union1d(ends, np.arange(num_rows + 1, dtype=np.int64) * row_length)
    return Pieces(
        bounds=torch.from_numpy(bounds.astype(np.int32)).to(device),
        max_length=int(np.diff(bounds).max()),
        num_rows=num_rows,
        row_length=row_length,
    )


_FOUND = "gristmill_pieces"


def of_begins(begins: torch.Tensor) -> Pieces:
    """Describe a batch's pieces, once for all layers.

    Args:
        begins: int8 [B, 1, 1, L + 1], not zero where a piece begins. What is found is kept with
            this tensor until it is written to.
    """
    version = 0 if begins.is_inference() else begins._version
    known = getattr(begins, _FOUND, None)
    if known is not None and known[0] == version:
        return known[1]
    num_rows, row_length = begins.shape[0], begins.shape[-1] - 1
    size = num_rows * row_length
    starts = begins[:, 0, 0, :-1].reshape(-1).nonzero().flatten()
    found = Pieces(
        bounds=F.pad(starts.to(torch.int32), (0, 1), value=size),
        max_length=row_length,
        num_rows=num_rows,
        row_length=row_length,
    )
    setattr(begins, _FOUND, (version, found))
    return found


def isolate(network: PreTrainedModel) -> None:
    """Make a model attend inside pieces only, in loops that get `isolation="pieces"`.

    What `save_pretrained` writes says nothing of it.

    Raises:
        ValueError: the architecture takes no attention function from outside.
    """
    register()
    try:
        network.set_attn_implementation(NAME)
    except (ValueError, NotImplementedError) as error:
        raise ValueError(
            f"{type(network).__name__}: this architecture takes no attention function from "
            f"outside ({error}); continue a ModernBERT, BERT or RoBERTa model instead"
        ) from error


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    pieces: Pieces | None = None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    **_: object,
) -> tuple[torch.Tensor, None]:
    """Attend within pieces; the signature is that of transformers' AttentionInterface.

    Args:
        module: the attention layer; not used.
        query: [B, H, L, D]; so are `key` and `value`.
        key: see query.
        value: see query.
        attention_mask: where pieces begin, int8 [B, 1, 1, L + 1]; not looked at beside `pieces`.
        pieces: the boundaries, handed through the model's keyword arguments.
        scaling: factor of the scores.
        dropout: of the attention weights.
        sliding_window: places at this distance or further are not looked at (transformers counts
            the place itself, so a half-width of 64 arrives as 65).

    Returns:
        [B, L, H, D], and None in place of the weights.

    Raises:
        ValueError: it is not said where pieces begin.
    """
    batch, heads, length, width = query.shape
    if pieces is None:
        wanted = (batch, 1, 1, length + 1)
        if attention_mask is None or tuple(attention_mask.shape) != wanted:
            raise ValueError(
                "this model attends inside documents only and was not told where they begin: give "
                'it batches made with isolation="pieces" (TorchStream, HeldOut), or call '
                'set_attn_implementation("sdpa") on it'
            )
        pieces = of_begins(attention_mask)
    if query.is_cuda and query.dtype in (torch.bfloat16, torch.float16) and not dropout:
        from torch.nn.attention.varlen import varlen_attn

        flat = [
            x.transpose(1, 2).reshape(batch * length, heads, width) for x in (query, key, value)
        ]
        half = -1 if sliding_window is None else sliding_window - 1
        mixed = varlen_attn(
            flat[0],
            flat[1],
            flat[2],
            pieces.bounds,
            pieces.bounds,
            pieces.max_length,
            pieces.max_length,
            scale=scaling,
            window_size=(half, half),
        )
        assert isinstance(mixed, torch.Tensor)
        return mixed.view(batch, length, heads, width), None
    if query.is_cuda or length <= _DENSE_LENGTH:
        mixed = F.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=pieces.mask(sliding_window),
            dropout_p=dropout,
            scale=scaling,
        )
        return mixed.transpose(1, 2), None
    flat = [x.transpose(1, 2).reshape(batch * length, heads, width) for x in (query, key, value)]
    mixed = [
        _one(*(x[start:end] for x in flat), window=sliding_window, scale=scaling, dropout=dropout)
        for start, end in pieces.spans
    ]
    return torch.cat(mixed).view(batch, length, heads, width), None


def _one(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    *,
    window: int | None,
    scale: float | None,
    dropout: float,
) -> torch.Tensor:
    """Attend within one piece: [length, H, D] each."""
    length = query.shape[0]
    allowed = None
    if window is not None and length > window:
        place = torch.arange(length, device=query.device)
        allowed = (place[:, None] - place[None, :]).abs() < window
    mixed = F.scaled_dot_product_attention(
        *(x.transpose(0, 1)[None] for x in (query, key, value)),
        attn_mask=allowed,
        dropout_p=dropout,
        scale=scale,
    )
    return mixed[0].transpose(0, 1)


def _no_mask(*_: object, **__: object) -> None:
    """Stand in for a mask: `attend` makes its own from the pieces."""


def register() -> None:
    """Make the function known to transformers under NAME; doing so twice changes nothing."""
    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, _no_mask)
