"""Sizes of new models, and their Hugging Face configurations."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PretrainedConfig

    from train.recipe import ModelConfig

PRESETS: Mapping[str, Mapping[str, int | float]] = {
    # For tests.
    "nano": {
        "num_hidden_layers": 2,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_attention_heads": 2,
        "initializer_range": 0.08,
    },
    # For CPUs and small corpora.
    "mini": {
        "num_hidden_layers": 6,
        "hidden_size": 256,
        "intermediate_size": 512,
        "num_attention_heads": 4,
        "initializer_range": 0.05,
    },
    # Two minutes on two cores. Local layers that see one neighbour on each side find bigrams at
    # once, where wide ones first have to learn to tell positions apart.
    "demo": {
        "num_hidden_layers": 4,
        "hidden_size": 192,
        "intermediate_size": 384,
        "num_attention_heads": 3,
        "local_attention": 2,
        "global_attn_every_n_layers": 4,
        "initializer_range": 0.06,
    },
    # ModernBERT's own two sizes (Warner et al. 2024, table 4).
    "base": {
        "num_hidden_layers": 22,
        "hidden_size": 768,
        "intermediate_size": 1152,
        "num_attention_heads": 12,
    },
    "large": {
        "num_hidden_layers": 28,
        "hidden_size": 1024,
        "intermediate_size": 2624,
        "num_attention_heads": 16,
    },
}

_MODERNBERT_ONLY = (
    "local_attention",
    "global_attn_every_n_layers",
    "local_rope_theta",
    "global_rope_theta",
)


def sizes(model: "ModelConfig") -> dict[str, int | float]:
    """Return a new model's sizes: the preset with the recipe's own values on top.

    Raises:
        ValueError: no such preset, or sizes that do not go together.
    """
    if model.preset is None or model.preset not in PRESETS:
        raise ValueError(f"[model] preset: {model.preset!r} is not one of {', '.join(PRESETS)}")
    chosen = {**PRESETS[model.preset], **model.overrides()}
    if model.family == "bert":
        for name in _MODERNBERT_ONLY:
            if name in model.overrides():
                raise ValueError(f"[model] {name} belongs to family 'modernbert'; leave it out")
            chosen.pop(name, None)
    width, heads = int(chosen["hidden_size"]), int(chosen["num_attention_heads"])
    if width % heads or (width // heads) % 2:
        raise ValueError(
            f"[model] hidden_size = {width} does not split into {heads} attention heads of even "
            f"width; set num_attention_heads = {max(1, width // 64)}"
        )
    return chosen


def configuration(
    model: "ModelConfig", *, vocabulary: int, special_ids: Mapping[str, int], row_length: int
) -> "PretrainedConfig":
    """Return the Hugging Face configuration of a new model.

    Args:
        model: the [model] section.
        vocabulary: number of token ids.
        special_ids: ids of `pad`, `cls` and `sep`.
        row_length: the longest document the model is trained on.
    """
    from transformers import BertConfig, ModernBertConfig

    chosen = sizes(model)
    pad, cls, sep = special_ids["pad"], special_ids["cls"], special_ids["sep"]
    if model.family == "bert":
        return BertConfig(
            vocab_size=vocabulary,
            max_position_embeddings=max(512, row_length),
            pad_token_id=pad,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            **chosen,  # pyright: ignore[reportArgumentType]
        )
    thetas: Any = {
        "full_attention": {
            "rope_type": "default",
            "rope_theta": chosen.pop("global_rope_theta", 160_000.0),
        },
        "sliding_attention": {
            "rope_type": "default",
            "rope_theta": chosen.pop("local_rope_theta", 10_000.0),
        },
    }
    return ModernBertConfig(
        vocab_size=vocabulary,
        max_position_embeddings=max(8192, row_length),
        pad_token_id=pad,
        bos_token_id=cls,
        cls_token_id=cls,
        eos_token_id=sep,
        sep_token_id=sep,
        rope_parameters=thetas,
        **chosen,  # pyright: ignore[reportArgumentType]
    )
