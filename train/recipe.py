"""The model recipe: one TOML file that says what is trained on what, and for how long."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from corpus import recipe
from train.mask import MaskConfig
from train.pairs import PairConfig, Task
from train.phases import PhaseConfig, timeline
from train.schedule import ScheduleConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class DataConfig:
    """The [data] section: which rows are read."""

    row_length: int
    """Tokens of a row; the shard set must hold rows of this length."""
    corpus: str | None = None
    """Name of the corpus; may be left out when DATA holds one."""
    shards: dict[str, float] | None = None
    """Share of the rows that each source gives. Left out: all sources, by their sizes."""
    order: Literal["global", "blocks"] = "global"
    """How rows are shuffled inside a source: over the whole of it; or shard by shard, and over the
    rows of a few shards at a time, so that shards on an object store are fetched one after another
    and once per epoch."""
    block_shards: int = 8
    """Shards over which the order `blocks` shuffles rows at a time."""
    verify: Literal["once", "always", "never"] = "once"
    """When `fit`, before the first step, and `evaluate` compare the sha256 of the shards that they
    will read, of a set on this machine: once (and again after a file has changed), always, or
    never. Shards from elsewhere are compared as they are fetched."""

    def __post_init__(self) -> None:
        for name in ("row_length", "block_shards"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelConfig:
    """The [model] section: a preset and what differs from it, or a model to start from."""

    preset: str | None = None
    """nano, mini, demo, base or large; see train/presets.py."""
    start_from: str | None = None
    """Written `from` in the recipe: folder or hub id of a masked language model to continue."""
    family: Literal["modernbert", "bert"] = "modernbert"
    """Architecture of a new model."""
    num_hidden_layers: int | None = None
    hidden_size: int | None = None
    intermediate_size: int | None = None
    num_attention_heads: int | None = None
    local_attention: int | None = None
    """ModernBERT: width in tokens of the window of its local layers."""
    global_attn_every_n_layers: int | None = None
    """ModernBERT: every n-th layer looks at the whole document."""
    local_rope_theta: float | None = None
    """ModernBERT: base of the rotary frequencies of the local layers."""
    global_rope_theta: float | None = None
    """ModernBERT: base of the rotary frequencies of the global layers."""
    initializer_range: float | None = None
    """Standard deviation of the first weights. Hugging Face's 0.02 suits a width of 768; a narrow
    model that begins with it stays on the unigram plateau for thousands of steps, since attention
    adds next to nothing to its residual stream."""
    unigram_bias: bool = True
    """Start the output bias at the log frequencies of the training text, which spares a new model
    the first phase of its training."""

    def __post_init__(self) -> None:
        if (self.preset is None) == (self.start_from is None):
            raise ValueError("give either `preset` (a new model) or `from` (one to continue)")
        if self.start_from is not None:
            for name, value in self.overrides().items():
                raise ValueError(
                    f"{name} = {value} cannot be changed in a model that is continued with `from`; "
                    "leave it out, or use `preset`"
                )

    def overrides(self) -> dict[str, int | float]:
        """Return the architecture keys that the recipe sets."""
        names = [f.name for f in dataclasses.fields(self) if f.default is None]
        values = {name: getattr(self, name) for name in names if name not in _NOT_ARCHITECTURE}
        return {name: value for name, value in values.items() if value is not None}


_NOT_ARCHITECTURE = ("preset", "start_from")


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimizerConfig:
    """The [optimizer] section: AdamW (Loshchilov and Hutter 2019)."""

    betas: tuple[float, ...] = (0.9, 0.98)
    """Decay of the two moments per step."""
    eps: float = 1e-8
    weight_decay: float = 0.1
    """Of weight matrices; biases, norms and embeddings are never decayed."""
    gradient_clipping: float = 1.0
    """Largest norm of the whole gradient; 0 leaves it alone."""

    def __post_init__(self) -> None:
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas must be two numbers in [0, 1), got {list(self.betas)}")
        for name in ("eps", "weight_decay", "gradient_clipping"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True, slots=True)
class PrecisionConfig:
    """The [precision] section."""

    dtype: Literal["fp32", "bf16"] = "fp32"
    """Of weights and activations; master weights and moments are always fp32."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ZeroConfig:
    """The [zero] section: what DeepSpeed splits over the ranks."""

    stage: Literal[0, 1, 2, 3] = 1
    """0 nothing, 1 optimizer state, 2 and gradients, 3 and weights."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CacheConfig:
    """The [cache] section: where shards of a set on an object store are kept, by all ranks."""

    folder: str | None = None
    """Local folder; left out: gristmill/shards in $XDG_CACHE_HOME or ~/.cache."""
    max_gb: float = 100.0
    """Most gigabytes (1e9 bytes) it may hold; what was not used for longest goes first."""

    def __post_init__(self) -> None:
        if not self.max_gb > 0:
            raise ValueError(f"max_gb must be above 0, got {self.max_gb}")


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckpointConfig:
    """The [checkpoint] section."""

    every_tokens: int = 1_000_000_000
    """Tokens between checkpoints; one is always written at the end and on SIGTERM or Ctrl-C."""
    keep: int = 2
    """How many of the latest checkpoints stay."""

    def __post_init__(self) -> None:
        if self.every_tokens < 1 or self.keep < 1:
            raise ValueError(
                f"every_tokens and keep must be at least 1, got {self.every_tokens}, {self.keep}"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class LogConfig:
    """The [log] section."""

    every_steps: int = 10
    """Steps between lines of RUN/log.jsonl; a line is the mean since the last one."""
    tensorboard: bool = False
    """Also write RUN/tensorboard; needs the `tensorboard` package."""

    def __post_init__(self) -> None:
        if self.every_steps < 1:
            raise ValueError(f"every_steps must be at least 1, got {self.every_steps}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """A whole model recipe."""

    data: DataConfig
    model: ModelConfig
    schedule: ScheduleConfig
    seed: int = 0
    """Keys the order of rows, the masks and the first weights."""
    mask: MaskConfig = field(default_factory=MaskConfig)
    pair: PairConfig | None = None
    """What is asked of rows of two segments; a set of packing `pair` needs it, others refuse it."""
    phase: tuple[PhaseConfig, ...] = ()
    """What changes in the course of the run."""
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    precision: PrecisionConfig = field(default_factory=PrecisionConfig)
    zero: ZeroConfig = field(default_factory=ZeroConfig)
    cache: CacheConfig = field(default_factory=CacheConfig)
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)
    log: LogConfig = field(default_factory=LogConfig)

    def __post_init__(self) -> None:
        if self.precision.dtype == "bf16" and self.zero.stage == 0:
            raise ValueError(
                "precision.dtype = 'bf16' needs zero.stage of at least 1: in DeepSpeed's stage 0 "
                "the step count of Adam is one ahead with bf16"
            )
        if self.asks_pairs() and self.model.preset is not None and self.model.family != "bert":
            raise ValueError(
                f"[pair] task = {self.pair_task()!r} needs a model that tells segments apart and "
                'has a head for the pair: set [model] family = "bert", or task = "none"'
            )
        timeline(self)

    def asks_pairs(self) -> bool:
        """Tell whether the model answers for pairs of segments."""
        return self.pair_task() != "none"

    def pair_task(self) -> Task:
        """Return what is asked of rows of two segments, if there are such."""
        return "none" if self.pair is None else self.pair.task

    def longest_row(self) -> int:
        """Return the row length of the phase with the longest rows."""
        return max(phase.row_length for phase in timeline(self).phases)

    def identity(self) -> dict[str, Any]:
        """Return what makes a run this run, as plain JSON.

        What may change between the parts of one run is left out: checkpoints, logs, the cache, the
        ZeRO stage, the micro batch and whether digests are compared.
        """
        table = recipe.to_table(self)
        for section in ("cache", "checkpoint", "log", "zero"):
            del table[section]
        del table["data"]["verify"]
        for section in (table["schedule"], *table["phase"]):
            del section["micro_batch"]
        return table


def digest(table: Mapping[str, Any]) -> str:
    """Return the sha256 of plain JSON with sorted keys."""
    return hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()


def shipped() -> dict[str, Path]:
    """Return the recipes that come with the package, by name."""
    folder = Path(str(resources.files("train") / "recipes"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def read(name: str) -> Recipe:
    """Read a recipe by path, or a shipped one by its name.

    Raises:
        ValueError: no such recipe, or a key or value in it is wrong.
    """
    path = name
    if not name.endswith(".toml"):
        known = shipped()
        if name not in known:
            raise ValueError(
                f"{name}: no such model recipe; give the path of a .toml file or one of "
                f"{', '.join(known)}"
            )
        path = str(known[name])
    return parse(recipe.read_toml(path), where=path)


def parse(table: Mapping[str, Any], *, where: str) -> Recipe:
    """Make a recipe from parsed TOML, in which `from` is a key that Python cannot spell."""
    model = table.get("model")
    if isinstance(model, dict):
        if "start_from" in model:
            raise ValueError(f"{where}.model: unknown key 'start_from'; did you mean 'from'?")
        if "from" in model:
            model = {**model, "start_from": model["from"]}
            del model["from"]
        table = {**table, "model": model}
    return recipe.parse(Recipe, table, where=where)


def from_json(table: Mapping[str, Any], *, where: str) -> Recipe:
    """Make a recipe from what `corpus.recipe.to_table` returned, in which unset keys are null."""

    def known(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: known(entry) for key, entry in value.items() if entry is not None}
        return [known(entry) for entry in value] if isinstance(value, list) else value

    return recipe.parse(Recipe, known(table), where=where)
