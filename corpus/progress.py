"""One progress bar for everything that takes longer than two seconds.

On a terminal it is tqdm's bar with rate and time left; elsewhere (a log, CI) it is a plain line
every few seconds, since carriage returns make logs unreadable.
"""

import sys
import time
from types import TracebackType

from tqdm import tqdm

_QUIET_SECONDS = 2.0
_LINE_SECONDS = 10.0


class Progress:
    """Progress of `total` units of work; silent for work under two seconds.

    The clock here only decides what is shown, never what is written.
    """

    def __init__(self, label: str, *, total: float, unit: str) -> None:
        """Begin; nothing is shown yet."""
        self._label, self._total, self._unit = label, total, unit
        self._terminal = sys.stderr.isatty()
        self._begin = time.monotonic()
        self._first: float | None = None
        self._last_line = self._begin
        self._done = 0.0
        self._bar: tqdm | None = None

    @property
    def total(self) -> float:
        """Units of work in all; 0 while that is not known."""
        return self._total

    @total.setter
    def total(self, total: float) -> None:
        self._total = total
        if self._bar is not None:
            self._bar.total = total

    def update(self, done: float, *, note: str = "") -> None:
        """Say that `done` of the total is finished, with an optional short note."""
        now = time.monotonic()
        if self._first is None:
            # Work that was found finished at the start says nothing about the rate.
            self._first = done
        is_waiting, self._done = done == self._done, done
        if now - self._begin < _QUIET_SECONDS:
            return
        if self._terminal:
            if self._bar is None:
                self._bar = tqdm(
                    desc=self._label,
                    total=self._total,
                    initial=self._first,
                    unit=self._unit,
                    unit_scale=True,
                    dynamic_ncols=True,
                    leave=True,
                    # The mean rate: parts end in bursts. And nothing before the first update,
                    # since the bar's own clock begins late.
                    smoothing=0,
                    delay=1e-9,
                    file=sys.stderr,
                )
                self._bar.start_t -= now - self._begin
            if note:
                self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(done - self._bar.n)
            if is_waiting:
                self._bar.refresh()  # so that the seconds go on while one large part is made
        elif now - self._last_line >= _LINE_SECONDS:
            self._last_line = now
            sys.stderr.write(self._line(now, note) + "\n")
            sys.stderr.flush()

    def _line(self, now: float, note: str) -> str:
        seconds = now - self._begin
        rate = (self._done - (self._first or 0)) / seconds
        scaled = tqdm.format_sizeof
        share = f"{100 * self._done / self._total:.0f} %" if self._total else ""
        left = (
            f", {tqdm.format_interval((self._total - self._done) / rate)} left" if rate > 0 else ""
        )
        return (
            f"{self._label}: {share} ({scaled(self._done)} of {scaled(self._total)} {self._unit}, "
            f"{scaled(rate)} {self._unit}/s{left}){' ' + note if note else ''}"
        )

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()
