"""The timeline of a run: what each worker and the master did, and when."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Span:
    """One thing that one worker did."""

    worker: int  # index from 0; -1 is the master
    # ``computing`` (to the end), ``cancelled`` (computing, but not to the end), ``sending``,
    # ``dead``; for the master ``waiting``.
    kind: str
    # Absolute seconds.
    start: float
    end: float
    iteration: int  # which round's model it was about, from 1; 0 for none
    ended_by: int = -1  # for the master's spans, the worker whose message ended the round, or -1


@dataclass(frozen=True)
class Recorder:
    """Collects spans while a run goes on; each worker's spans are in order and do not overlap."""

    spans: list[Span] = field(default_factory=list)

    def span(self, worker: int, kind: str, start: float, end: float, of_round: int) -> None:
        """Note a worker's span; an empty one is left out."""
        if end > start:
            self.spans.append(Span(worker, kind, start, end, of_round + 1))

    def round_ended(self, of_round: int, opened: float, now: float, ended_by: int) -> None:
        """Note the master's wait in a round."""
        self.spans.append(Span(-1, "waiting", opened, now, of_round + 1, ended_by))
