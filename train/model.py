"""The model while it trains: a Hugging Face masked language model with a sparse head.

Shapes: B rows, L tokens of a row, M hidden places, P pairs of segments asked about, V token ids.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForPreTraining,
    PretrainedConfig,
    PreTrainedModel,
)

from train import attention, presets

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from corpus.shards import ShardSet
    from train.recipe import Recipe


@dataclass(frozen=True, kw_only=True, slots=True)
class PairInputs:
    """Rows of two segments, and which are asked about."""

    token_types: torch.Tensor
    """int64 [B, L]: 1 at the second segment, 0 elsewhere."""
    rows: torch.Tensor
    """int64 [P]."""
    answers: torch.Tensor
    """int64 [P]: 0 as in the text, 1 changed."""


class MaskedModel(nn.Module):
    """A masked language model that answers at the hidden places only.

    Computing logits elsewhere is most of a small model's work (measured: 2.4 times the tokens per
    second without it, at a vocabulary of 30,522).
    """

    network: PreTrainedModel

    def __init__(self, network: PreTrainedModel) -> None:
        """Wrap a network; its attention becomes isolated per piece.

        Raises:
            ValueError: the architecture takes no attention function from outside.
        """
        super().__init__()
        attention.isolate(network)
        self.network = network
        # RoBERTa counts positions from behind the padding id.
        behind = network.config.model_type in ("roberta", "xlm-roberta", "camembert")
        self._first_position = (network.config.pad_token_id or 0) + 1 if behind else 0

    def forward(
        self,
        shown_ids: torch.Tensor,
        *,
        pieces: attention.Pieces,
        places: torch.Tensor,
        answers: torch.Tensor,
        pairs: "PairInputs | None" = None,
    ) -> torch.Tensor:
        """Return fp32 [M + P]: nats at each hidden place, then of each pair asked about.

        Args:
            shown_ids: int64 [B, L].
            pieces: the boundaries inside the rows.
            places: int64 [M], hidden places in the flattened rows.
            answers: int64 [M], the ids that stand there.
            pairs: of rows of two segments; needs a network with a head for them.
        """
        logits, asked = self.all_logits(shown_ids, pieces=pieces, places=places, pairs=pairs)
        nats = F.cross_entropy(logits.float(), answers, reduction="none")
        if pairs is None:
            return nats
        return torch.cat([nats, F.cross_entropy(asked.float(), pairs.answers, reduction="none")])

    def logits(
        self, shown_ids: torch.Tensor, *, pieces: attention.Pieces, places: torch.Tensor
    ) -> torch.Tensor:
        """Return [M, V]: the logits at the given places of the flattened rows."""
        return self.all_logits(shown_ids, pieces=pieces, places=places)[0]

    def all_logits(
        self,
        shown_ids: torch.Tensor,
        *,
        pieces: attention.Pieces,
        places: torch.Tensor,
        pairs: "PairInputs | None" = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the logits at the given places, [M, V], and those of the pairs, [P, 2]."""
        found = self.network.base_model(
            input_ids=shown_ids,
            position_ids=pieces.position_ids + self._first_position,
            pieces=pieces,
            **({} if pairs is None else {"token_type_ids": pairs.token_types}),
        )
        logits = head(self.network)(found.last_hidden_state.flatten(0, 1)[places])
        if pairs is None:
            return logits, logits.new_empty(0, 2)
        classify: Any = self.network.cls
        return logits, classify.seq_relationship(found.pooler_output[pairs.rows])


def head(network: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return what turns hidden states into logits in this architecture.

    Raises:
        ValueError: the architecture's head is not known here.
    """
    if hasattr(network, "head") and hasattr(network, "decoder"):  # ModernBERT
        return lambda hidden: network.decoder(network.head(hidden))
    if hasattr(network, "cls"):  # BERT, which may have a head for pairs beside this one
        return network.cls.predictions
    if hasattr(network, "lm_head"):  # RoBERTa
        return network.lm_head
    raise ValueError(
        f"{type(network).__name__}: its prediction head is not known here; "
        "continue a ModernBERT, BERT or RoBERTa model instead"
    )


def build(recipe: "Recipe", shards: "ShardSet", *, unigram: "NDArray[np.float64]") -> MaskedModel:
    """Make the model of a recipe, new or continued, in fp32.

    Args:
        recipe: its [model] section and its seed decide the first weights.
        shards: the vocabulary and the special ids.
        unigram: float64 [V], how often each id stands in the training text.

    Raises:
        ValueError: the model to continue cannot be read, or it and the shards do not go together.
    """
    # Dropout is zero, so the first weights are the only use of torch's own generator.
    torch.manual_seed(recipe.seed)
    if recipe.model.start_from is not None:
        return MaskedModel(_continued(recipe, recipe.model.start_from, shards))
    configuration = presets.configuration(
        recipe.model,
        vocabulary=shards.vocabulary,
        special_ids={"pad": shards.pad_id, "cls": shards.cls_id, "sep": shards.sep_id},
        row_length=recipe.longest_row(),
    )
    network = new_network(recipe, configuration)
    if recipe.model.unigram_bias:
        start_bias(network, unigram)
    return MaskedModel(network)


def new_network(recipe: "Recipe", configuration: PretrainedConfig) -> PreTrainedModel:
    """Make a network of random weights with the heads that a recipe asks for, in fp32.

    Raises:
        ValueError: the architecture has no head for pairs.
    """
    return auto_class(recipe, configuration).from_config(configuration, dtype=torch.float32)


def auto_class(recipe: "Recipe", configuration: PretrainedConfig) -> Any:
    """Return the class of transformers that makes or loads the network.

    Raises:
        ValueError: the architecture has no head for pairs.
    """
    if not recipe.asks_pairs():
        return AutoModelForMaskedLM
    if configuration.model_type != "bert":
        raise ValueError(
            f"[pair]: a model of type {configuration.model_type!r} has no head for pairs of "
            'segments; continue a BERT model, or set [pair] task = "none"'
        )
    return AutoModelForPreTraining


def start_bias(network: PreTrainedModel, unigram: "NDArray[np.float64]") -> None:
    """Set the output bias to the log frequencies, with half a count for ids never seen."""
    counts = unigram + 0.5
    output = network.get_output_embeddings()
    assert output is not None
    assert isinstance(output.bias, nn.Parameter)
    with torch.no_grad():
        output.bias.copy_(torch.from_numpy(np.log(counts / counts.sum())).float())


def _continued(recipe: "Recipe", name: str, shards: "ShardSet") -> PreTrainedModel:
    from transformers import AutoConfig, AutoTokenizer

    row_length = recipe.longest_row()
    try:
        configuration = AutoConfig.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise ValueError(f"[model] from = {name!r}: cannot be read: {error}") from error
    kind = auto_class(recipe, configuration)
    try:
        network = kind.from_pretrained(name, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"[model] from = {name!r}: cannot be read as a masked language model: {error}"
        ) from error
    size = network.get_input_embeddings().weight.shape[0]
    if size < shards.vocabulary:
        raise ValueError(
            f"[model] from = {name!r}: it knows {size} token ids, the shards use "
            f"{shards.vocabulary}; build shards with its own tokenizer: set `path = {name!r}` in "
            "[tokenizer] of the corpus recipe and run `make shards`"
        )
    if tokenizer.get_vocab() != vocabulary_of(shards):
        raise ValueError(
            f"[model] from = {name!r}: its tokenizer is not the one the shards were built with; "
            f"set `path = {name!r}` in [tokenizer] of the corpus recipe and run `make shards`"
        )
    longest = getattr(network.config, "max_position_embeddings", row_length)
    if longest < row_length:
        raise ValueError(
            f"[model] from = {name!r}: it reads at most {longest} tokens, the rows have "
            f"{row_length}; set [data] row_length = {longest} or less"
        )
    return network


def vocabulary_of(shards: "ShardSet") -> dict[str, int]:
    """Return the shards' tokens and their ids."""
    from tokenizers import Tokenizer

    data = shards.tokenizer_json()
    return Tokenizer.from_str(data.decode()).get_vocab(with_added_tokens=True)
