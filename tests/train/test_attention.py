"""Packed rows give the logits of their pieces alone; no piece sees another."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForMaskedLM, BertConfig, ModernBertConfig, RobertaConfig

from train import attention
from train.model import MaskedModel

VOCABULARY = 60


def modernbert() -> ModernBertConfig:
    return ModernBertConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=4,
        num_attention_heads=2,
        local_attention=6,
        pad_token_id=0,
        bos_token_id=2,
        cls_token_id=2,
        eos_token_id=3,
        sep_token_id=3,
    )


def bert_like(cls: type) -> object:
    return cls(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=0,
        max_position_embeddings=130,
    )


CONFIGS = {
    "modernbert": modernbert,
    "bert": lambda: bert_like(BertConfig),
    "roberta": lambda: bert_like(RobertaConfig),
}


def network(name: str):
    torch.manual_seed(0)
    made = AutoModelForMaskedLM.from_config(CONFIGS[name]())
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(3)  # so that a leak would be seen
    return made.eval()


def packed(rows: list[list[int]], *, length: int):
    """Make rows of pieces of the given lengths; the ids are arbitrary."""
    ids = np.zeros((len(rows), length), dtype=np.int64)
    ends, owners = [], []
    for number, lengths in enumerate(rows):
        start = 0
        for n in lengths:
            ids[number, start : start + n] = 5 + (np.arange(n) * 7 + start) % (VOCABULARY - 5)
            start += n
            ends.append(start)
            owners.append(number)
    return ids, np.array(ends), np.array(owners)


def logits(model: MaskedModel, ids: np.ndarray, ends: np.ndarray, owners: np.ndarray):
    bounds = attention.pieces(ends, owners, num_rows=ids.shape[0], row_length=ids.shape[1])
    with torch.inference_mode():
        found = model.logits(torch.from_numpy(ids), pieces=bounds, places=torch.arange(ids.size))
    return found.view(*ids.shape, -1)


def worst_difference(name: str, rows: list[list[int]], *, length: int) -> float:
    ids, ends, owners = packed(rows, length=length)
    alone = network(name)
    found = logits(MaskedModel(network(name)), ids, ends, owners)
    worst, start, before = 0.0, 0, -1
    for row, end in zip(owners, ends, strict=True):
        start = start if row == before else 0
        with torch.inference_mode():
            wanted = alone(input_ids=torch.from_numpy(ids[None, row, start:end])).logits[0]
        worst = max(worst, float((wanted - found[row, start:end]).abs().max()))
        start, before = end, row
    return worst


@settings(max_examples=8, deadline=None)
@given(rows=st.lists(st.lists(st.integers(3, 20), min_size=1, max_size=2), min_size=1, max_size=3))
def test_packed_logits_are_those_of_each_piece_alone(rows: list[list[int]]) -> None:
    assert worst_difference("modernbert", rows, length=40) < 1e-5


@pytest.mark.parametrize("name", ["bert", "roberta"])
def test_other_architectures_are_isolated_too(name: str) -> None:
    assert worst_difference(name, [[9, 14, 7], [40]], length=40) < 1e-5


def test_long_rows_take_the_loop_and_agree() -> None:
    assert worst_difference("modernbert", [[100, 150, 30], [299]], length=300) < 1e-5


@pytest.mark.parametrize("length", [40, 300])
def test_changing_one_document_moves_another_by_exactly_nothing(length: int) -> None:
    ids, ends, owners = packed([[10, 20]], length=length)
    model = MaskedModel(network("modernbert"))
    changed = ids.copy()
    changed[0, 2:8] = 7
    before, after = (logits(model, rows, ends, owners) for rows in (ids, changed))
    assert torch.equal(before[0, 10:30], after[0, 10:30])
    assert not torch.equal(before[0, :10], after[0, :10])


@pytest.mark.parametrize("length", [40, 300])
def test_a_local_layer_sees_as_far_as_its_window(length: int) -> None:
    configuration = modernbert()
    configuration.num_hidden_layers, configuration.layer_types = 1, ["sliding_attention"]
    torch.manual_seed(0)
    model = MaskedModel(AutoModelForMaskedLM.from_config(configuration).eval())
    ids, ends, owners = packed([[38]], length=length)
    changed = ids.copy()
    changed[0, 30] = 5 + (ids[0, 30] - 4) % (VOCABULARY - 5)
    before, after = (logits(model, rows, ends, owners) for rows in (ids, changed))
    moved = (before != after).any(dim=-1)[0].nonzero().flatten()
    assert moved.tolist() == list(range(27, 34))


def test_pieces_tile_the_rows_with_padding_as_pieces_of_its_own() -> None:
    bounds = attention.pieces(np.array([3, 8, 5]), np.array([0, 0, 1]), num_rows=2, row_length=8)
    assert bounds.bounds.tolist() == [0, 3, 8, 13, 16]
    assert bounds.position_ids.tolist() == [[0, 1, 2, 0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 0, 1, 2]]
    assert bounds.max_length == 5
