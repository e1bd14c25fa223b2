"""How a stage runs: parts through Beam, workers, the end of a run."""
