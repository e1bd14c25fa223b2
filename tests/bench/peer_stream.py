"""mosaicml-streaming and litdata on the bench's rows, in an environment of their own.

Run by tests/bench/test_stream.py: `PYTHON peer_stream.py rows.npy FOLDER SECONDS`. Each line of
stdin names a loader, each line of stdout is (tokens, seconds).
"""

import json
import os
import sys
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import torch
from torch.utils.data import DataLoader
from transformers import DataCollatorForLanguageModeling, PreTrainedTokenizerFast

BATCH = 32


def mosaic(rows, folder: Path):
    from streaming import MDSWriter, StreamingDataset

    if not (folder / "mds").exists():
        with MDSWriter(
            out=str(folder / "mds"), columns={"input_ids": "ndarray:uint16:512"}
        ) as writer:
            for row in rows:
                writer.write({"input_ids": row})
    return StreamingDataset(local=str(folder / "mds"), shuffle=True, batch_size=BATCH)


def lit(rows, folder: Path):
    from litdata import StreamingDataset, TokensLoader
    from litdata.streaming.writer import BinaryWriter

    place = folder / "litdata"
    if not place.exists():
        place.mkdir()
        item_loader = TokensLoader(block_size=rows.shape[1])
        writer = BinaryWriter(str(place), chunk_bytes="64MB", item_loader=item_loader)
        for number, row in enumerate(rows):
            writer.add_item(number, torch.from_numpy(row))
        writer.done()
        writer.merge(1)
    return StreamingDataset(
        str(place), item_loader=TokensLoader(block_size=rows.shape[1]), shuffle=True
    )


def main() -> None:
    rows = np.load(sys.argv[1], mmap_mode="r")
    folder, seconds = Path(sys.argv[2]), float(sys.argv[3])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "set" / "tokenizer" / "tokenizer.json"),
        **{f"{n}_token": f"[{n.upper()}]" for n in ("pad", "unk", "cls", "sep", "mask")},
    )
    collator = DataCollatorForLanguageModeling(tokenizer=tokenizer, mlm_probability=0.3)
    made = {"mosaicml-streaming": mosaic, "litdata": lit}
    datasets = {}

    def masked(items):
        if isinstance(items[0], dict):
            items = [item["input_ids"] for item in items]
        return collator([{"input_ids": np.asarray(item).astype(np.int64)} for item in items])

    def plain(items):
        if isinstance(items[0], dict):
            items = [item["input_ids"] for item in items]
        return np.stack([np.asarray(item) for item in items]).astype(np.int64)

    torch.set_num_threads(1)
    print("ready", flush=True)
    for line in sys.stdin:
        name, is_masked = json.loads(line)
        try:
            if name not in datasets:
                datasets[name] = made[name](rows, folder)
            loader = DataLoader(
                datasets[name], batch_size=BATCH, collate_fn=masked if is_masked else plain
            )
            num, begin = 0, None
            for batch in loader:
                if begin is None:
                    begin = time.process_time()  # the first batch opens files
                    continue
                num += (
                    (batch["input_ids"] if is_masked else batch).size
                    if not is_masked
                    else (batch["input_ids"].numel())
                )
                if time.process_time() - begin > seconds:
                    break
            print(json.dumps([num, time.process_time() - begin]), flush=True)
        except Exception as error:  # noqa: BLE001  (said to the bench, which prints it)
            print(json.dumps(f"{type(error).__name__}: {error}"), flush=True)


if __name__ == "__main__":
    main()
