"""The two DoFns of every stage. They hold no arithmetic: plans and work are pure functions."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import apache_beam as beam

from corpus import sets, storage
from pipeline.running import worker


class Plan(beam.DoFn):
    """Receipts of the earlier steps -> parts of this one."""

    def __init__(self, plan: Callable[[Any], list[Any]]):
        """Take the step's plan."""
        self._plan = plan

    def process(self, element: bytes, **earlier: Any) -> Iterator[bytes]:
        """Yield the parts as elements."""
        # Beam gives side inputs in any order, and parts must not depend on it.
        receipts = {
            name: sorted(
                (sets.receipt_from_json(json.loads(done)) for done in dones),
                key=lambda receipt: receipt.name,
            )
            for name, dones in earlier.items()
        }
        for part in self._plan(receipts):
            yield part.to_bytes()


class Do(beam.DoFn):
    """Part -> receipt, once the part's files are in place."""

    def __init__(self, do: Callable[[bytes], bytes]):
        """Take what does one part."""
        self._do = do

    def process(self, element: bytes) -> Iterator[bytes]:
        """Yield the receipt of one part."""
        try:
            yield self._do(element)
        except (ValueError, OSError, *storage.client_errors()) as error:
            raise worker.bad_input(str(error)) from error
