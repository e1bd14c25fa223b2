"""Attention inside a document only, over rows that hold several documents.

transformers 5 builds its masks without position ids, so packed rows leak from document to document
unless the attention function itself knows the boundaries. The function here is registered under
its own name, is used while training, and is never written into an exported configuration.

Shapes: B rows, L tokens of a row, H heads, D channels of a head, T = B * L.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from transformers import AttentionInterface, AttentionMaskInterface

NAME = "gristmill_pieces"

_DENSE_LENGTH = 256
"""Rows up to this length take one call with a block-diagonal mask on CPU; longer rows loop over
the pieces, which is then faster (measured at 8,192 tokens: 21 times)."""


@dataclass(kw_only=True, slots=True)
class Pieces:
    """Where the pieces of a batch lie, and the masks that all layers share."""

    bounds: torch.Tensor
    """int32 [N + 1], cumulative lengths that tile the T places; each row's padding is a piece."""
    spans: list[tuple[int, int]]
    """The same as (start, end) pairs, for the loop."""
    max_length: int
    segments: torch.Tensor
    """int64 [B, L]: the number of the piece of each place."""
    position_ids: torch.Tensor
    """int64 [B, L]: positions that begin at zero in each piece."""
    masks: dict[int | None, torch.Tensor] = field(default_factory=dict)
    """bool [B, 1, L, L] by window, made on first use."""

    def mask(self, window: int | None) -> torch.Tensor:
        """Return who may look at whom: same piece, and closer than `window` places."""
        if window not in self.masks:
            allowed = self.segments[:, None, :, None] == self.segments[:, None, None, :]
            if window is not None:
                place = torch.arange(self.segments.shape[1], device=self.segments.device)
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
    lengths = np.diff(bounds)
    segments = np.repeat(np.arange(lengths.size), lengths).reshape(num_rows, row_length)
    positions = np.arange(num_rows * row_length) - np.repeat(bounds[:-1], lengths)
    return Pieces(
        bounds=torch.from_numpy(bounds.astype(np.int32)).to(device),
        spans=list(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)),
        max_length=int(lengths.max()),
        segments=torch.from_numpy(segments).to(device),
        position_ids=torch.from_numpy(positions.reshape(num_rows, row_length)).to(device),
    )


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    pieces: Pieces,
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
        attention_mask: always None, since this function makes its own.
        pieces: the boundaries, handed through the model's keyword arguments.
        scaling: factor of the scores.
        dropout: of the attention weights.
        sliding_window: places at this distance or further are not looked at (transformers counts
            the place itself, so a half-width of 64 arrives as 65).

    Returns:
        [B, L, H, D], and None in place of the weights.
    """
    batch, heads, length, width = query.shape
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
