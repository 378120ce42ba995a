"""Labels and the queue of requests for them, as the store keeps them (part of `ports.store.Store`)."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

import msgspec


class AskedAs(StrEnum):
    """Why a label was asked for. Stored: never rename one."""

    RANDOM_CHECK = "random_check"  # drawn uniformly, agreed inputs included
    CHOSEN = "chosen"  # drawn by doubt
    SECOND_LOOK = "second_look"  # a label that both models are confidently against
    BY_HAND = "by_hand"  # somebody asked for it; no known propensity


class RequestState(StrEnum):
    OPEN = "open"  # also one whose lease ran out
    LEASED = "leased"
    ANSWERED = "answered"
    SKIPPED = "skipped"


class LabelRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One question to a person. `propensity` in (0, 1]: the probability with which this row was asked for at all,
    whatever as; 0 where nobody knows (`BY_HAND`, `SECOND_LOOK`). `random_propensity`: of being in the random check."""

    request_id: bytes  # 16 bytes; same cause, same id
    prediction_id: bytes
    data_subject: bytes
    asked_as: AskedAs
    propensity: float
    random_propensity: float
    event_time_us: int
    asked_at_us: int
    state: RequestState = RequestState.OPEN
    leased_by: str = ""
    leased_until_us: int = 0


class QueueCounts(msgspec.Struct, frozen=True):
    """Requests of a task by state (a lease that ran out counts as open) and by why they were asked."""

    by_state: dict[RequestState, int]
    by_reason: dict[AskedAs, int]


class LabelRows(msgspec.Struct, frozen=True, kw_only=True):
    """Labels to join, in columns of length n.

    `right`: whether the answer was the label, None = the label is withdrawn. `critic_right`: whether the most probable
    class of q was. `shadow_right`: whether the other model's answer was, None = it gave none. `learnable`: False while
    the label waits for a second look. All plain, since they speak of models (ADR 9).
    """

    prediction_ids: list[bytes]
    sealed: list[bytes]
    labelled_at_us: list[int]
    right: list[bool | None]
    critic_right: list[bool | None]
    shadow_right: list[bool | None]
    learnable: list[bool]
    source: str


class LabelFigures(msgspec.Struct, frozen=True):
    """Labels of a task: `joined` are there, `learnable` may be learnt from, `waiting` for a second look,
    `withdrawn`."""

    joined: int
    learnable: int
    waiting: int
    withdrawn: int
    latest_labelled_at_us: int | None


class DrawnRows(msgspec.Struct, frozen=True):
    """Inputs in order of event time, in columns of length n, those of erased data subjects left out.

    `propensities`: the chance of being asked at all, of rows that the draw asked about (`RANDOM_CHECK`, `CHOSEN`); None
    of others. `labelled_at_us`, `right`: of labels of drawn rows; None while none is there, and for one that was
    withdrawn or waits for a second look.
    """

    event_times_us: list[int]
    confidences: list[float]
    propensities: list[float | None]
    labelled_at_us: list[int | None]
    right: list[bool | None]


class LabelStore(Protocol):
    async def add_labels(self, task_id: str, rows: LabelRows) -> int:
        """The latest label of an id wins (by `labelled_at_us`; the one that is there on a tie), withdrawals included;
        returns how many changed something. A label of an id that is not stored under this task changes nothing."""
        ...

    async def label_figures(self, task_id: str) -> LabelFigures: ...

    async def predictions_of(
        self, task_id: str, data_subjects: Sequence[bytes], times_us: Sequence[int], within_us: int
    ) -> list[bytes | None]:
        """For each data subject and time the prediction id of its latest stored input with event time in
        `[time - within, time]`; None where there is none. In the order asked."""
        ...

    async def ask(self, task_id: str, requests: Sequence[LabelRequest]) -> int:
        """Put requests into the queue; those whose `request_id` is there already change nothing. Returns how many were
        new. Requests of a task that does not exist are not kept."""
        ...

    async def asked_on(self, task_id: str, days: Sequence[int]) -> dict[int, int]:
        """Requests under the budget (`RANDOM_CHECK`, `CHOSEN`) by day of event time (days since 1970); 0 left out."""
        ...

    async def drawn_rows(self, task_id: str, start_us: int, end_us: int, newest: int) -> DrawnRows:
        """The last `newest` rows with event time in `[start_us, end_us)`."""
        ...

    async def lease(self, task_id: str, count: int, *, by: str, now_us: int, until_us: int) -> list[LabelRequest]:
        """Take up to `count` open requests (a lease that ran out is open) for `by`: second looks first, then the
        random check, then the newest event time. No request is ever held by two."""
        ...

    async def settle(self, task_id: str, request_ids: Sequence[bytes], state: RequestState, *, by: str = "") -> int:
        """Set the state of these requests (`OPEN` returns them). Only requests that are open or leased change, and with
        `by` only those that `by` holds; returns how many did."""
        ...

    async def settle_answered(self, task_id: str, prediction_ids: Sequence[bytes]) -> int:
        """Whatever is open or leased for these predictions, second looks apart, is answered: a label came another
        way."""
        ...

    async def requests(
        self, task_id: str, *, state: RequestState | None = None, limit: int = 1000
    ) -> list[LabelRequest]:
        """Newest event time first."""
        ...

    async def requests_for(self, task_id: str, prediction_ids: Sequence[bytes]) -> list[LabelRequest]: ...

    async def request(self, task_id: str, request_id: bytes) -> LabelRequest | None: ...

    async def queue_counts(self, task_id: str, now_us: int) -> QueueCounts: ...
