"""How a model learns from shards: stream, mask, DeepSpeed engine, checkpoint, export, evaluate."""
