"""Parts scored by threads of this process: the models let go of the interpreter while they compute."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from dissonance.ports.scoring import Part, Scored


class ThreadCrew:
    """`ports.scoring.Crew`; holds at most `jobs` parts, and the one that is handed over."""

    def __init__(self, score: Callable[[Part], Scored], jobs: int) -> None:
        self._score = score
        self._jobs = jobs

    def score(self, parts: Iterable[Part]) -> Iterator[Scored]:
        if self._jobs == 1:
            yield from map(self._score, parts)
            return
        under_way: deque[Future[Scored]] = deque()
        with ThreadPoolExecutor(self._jobs, "scoring") as pool:
            for part in parts:
                under_way.append(pool.submit(self._score, part))
                if len(under_way) >= self._jobs:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
