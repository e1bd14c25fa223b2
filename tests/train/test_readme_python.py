"""The README's Python runs as it stands there, in an empty folder beside a small set."""

import functools
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader
from transformers import AutoModelForMaskedLM

from train import interop, presets, recipe

ROOT = Path(__file__).parents[2]


def blocks() -> list[str]:
    """Return the Python of the README, block by block."""
    return re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)


@pytest.fixture(scope="module")
def place(tmp_path_factory, make_shards) -> Path:
    folder = tmp_path_factory.mktemp("readme-python")
    made = recipe.read("demo")
    make_shards(folder / "data", row_lengths=(made.data.row_length,))
    return folder


@pytest.fixture
def namespace(place, tmp_path, monkeypatch) -> dict[str, Any]:
    """Run the README's first block; return its names and those that it leaves to the reader."""
    monkeypatch.chdir(place)
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate", reason="transformers' Trainer needs accelerate")
    lightning = pytest.importorskip("pytorch_lightning", reason="extra dev is not installed")

    class Stop(transformers.TrainerCallback):
        def on_step_end(self, args, state, control, **_):
            steps.append(state.global_step)
            control.should_training_stop = state.global_step == 3

    steps: list[int] = []
    names: dict[str, Any] = {"steps": steps, "DataLoader": DataLoader}
    names["LightningDataModule"] = lightning.LightningDataModule
    names["TrainingArguments"] = functools.partial(
        transformers.TrainingArguments,
        use_cpu=True,
        report_to="none",
        disable_tqdm=True,
        save_strategy="no",
        logging_strategy="no",
    )
    names["Trainer"] = functools.partial(transformers.Trainer, callbacks=[Stop()])
    exec(blocks()[0], names)
    shards = names["run"].shards
    small = recipe.ModelConfig(preset="nano")
    torch.manual_seed(0)
    names["model"] = AutoModelForMaskedLM.from_config(
        presets.configuration(
            small,
            vocabulary=shards.vocabulary,
            special_ids={"pad": shards.pad_id, "cls": shards.cls_id, "sep": shards.sep_id},
            row_length=128,
        )
    )
    return names


def test_each_way_of_the_readme_gives_the_rows_of_the_run(namespace) -> None:
    first, ways = blocks()
    assert "from train.interop import" in first
    exec(ways, namespace)
    stream = namespace["run"].stream
    wanted = interop.tensors(stream.step(0, rank=0, world_size=1)[0], isolation="none")
    # plain PyTorch
    found = next(iter(namespace["loader"]))
    assert torch.equal(found["input_ids"], wanted["input_ids"])
    assert torch.equal(found["labels"], wanted["labels"])
    # Hugging Face
    assert namespace["steps"] == [1, 2, 3]
    assert namespace["args"].max_steps == stream.num_steps


def test_the_data_module_of_the_readme_trains_and_validates(namespace, tmp_path) -> None:
    lightning = pytest.importorskip("pytorch_lightning")
    (text,) = re.findall(r"^class Shards.*", blocks()[1], re.M | re.S)
    namespace["isolate"](namespace["model"])
    exec(text, namespace)
    seen: list[torch.Tensor] = []

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.network = namespace["model"]

        def training_step(self, batch, _):
            seen.append(batch["input_ids"])
            return self.network(**batch).loss

        def validation_step(self, batch, _):
            assert torch.isfinite(self.network(**batch).loss)

        def configure_optimizers(self):
            return torch.optim.AdamW(self.parameters(), lr=1e-3)

    trainer = lightning.Trainer(
        max_steps=2,
        limit_val_batches=1,
        num_sanity_val_steps=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(Module(), datamodule=namespace["Shards"]())
    stream = namespace["run"].stream
    wanted = [stream.step(step, rank=0, world_size=1)[0].shown_ids for step in range(2)]
    assert [part.numpy().tolist() for part in seen] == [ids.tolist() for ids in wanted]
