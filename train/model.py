"""The model while it trains: a Hugging Face masked language model with a sparse head.

Shapes: B rows, L tokens of a row, M hidden places, V token ids.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from transformers import AutoModelForMaskedLM, PreTrainedModel

from train import attention, presets

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from corpus.shards import ShardSet
    from train.recipe import Recipe


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
        attention.register()
        try:
            network.set_attn_implementation(attention.NAME)
        except (ValueError, NotImplementedError) as error:
            raise ValueError(
                f"{type(network).__name__}: this architecture takes no attention function from "
                f"outside ({error}); continue a ModernBERT, BERT or RoBERTa model instead"
            ) from error
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
    ) -> torch.Tensor:
        """Return fp32 [M]: the cross-entropy in nats at each hidden place.

        Args:
            shown_ids: int64 [B, L].
            pieces: the boundaries inside the rows.
            places: int64 [M], hidden places in the flattened rows.
            answers: int64 [M], the ids that stand there.
        """
        logits = self.logits(shown_ids, pieces=pieces, places=places)
        return F.cross_entropy(logits.float(), answers, reduction="none")

    def logits(
        self, shown_ids: torch.Tensor, *, pieces: attention.Pieces, places: torch.Tensor
    ) -> torch.Tensor:
        """Return [M, V]: the logits at the given places of the flattened rows."""
        hidden = self.network.base_model(
            input_ids=shown_ids,
            position_ids=pieces.position_ids + self._first_position,
            pieces=pieces,
        ).last_hidden_state
        return head(self.network)(hidden.flatten(0, 1)[places])


def head(network: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return what turns hidden states into logits in this architecture.

    Raises:
        ValueError: the architecture's head is not known here.
    """
    if hasattr(network, "head") and hasattr(network, "decoder"):  # ModernBERT
        return lambda hidden: network.decoder(network.head(hidden))
    for name in ("cls", "lm_head"):  # BERT, RoBERTa
        if hasattr(network, name):
            return getattr(network, name)
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
    if recipe.model.start_from is not None:
        length = recipe.longest_row()
        return MaskedModel(_continued(recipe.model.start_from, shards, row_length=length))
    configuration = presets.configuration(
        recipe.model,
        vocabulary=shards.vocabulary,
        special_ids={"pad": shards.pad_id, "cls": shards.cls_id, "sep": shards.sep_id},
        row_length=recipe.longest_row(),
    )
    # Dropout is zero, so this is the only use of torch's own generator.
    torch.manual_seed(recipe.seed)
    network = AutoModelForMaskedLM.from_config(configuration, dtype=torch.float32)
    if recipe.model.unigram_bias:
        start_bias(network, unigram)
    return MaskedModel(network)


def start_bias(network: PreTrainedModel, unigram: "NDArray[np.float64]") -> None:
    """Set the output bias to the log frequencies, with half a count for ids never seen."""
    counts = unigram + 0.5
    output = network.get_output_embeddings()
    assert output is not None
    assert isinstance(output.bias, nn.Parameter)
    with torch.no_grad():
        output.bias.copy_(torch.from_numpy(np.log(counts / counts.sum())).float())


def _continued(name: str, shards: "ShardSet", *, row_length: int) -> PreTrainedModel:
    from transformers import AutoTokenizer

    try:
        network = AutoModelForMaskedLM.from_pretrained(name, dtype=torch.float32)
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

    data = shards.tokenizer_files()["tokenizer.json"]
    return Tokenizer.from_str(data.decode()).get_vocab(with_added_tokens=True)
