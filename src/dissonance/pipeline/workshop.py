"""What the pipeline works with: ports only. `bootstrap.System` is one; tests make one of doubles."""

from __future__ import annotations

from typing import Protocol

from dissonance.ports.anchors import Anchors
from dissonance.ports.desk import Desk
from dissonance.ports.registry import Registry
from dissonance.security.artefacts import ArtefactKeys


class Workshop(Desk, Protocol):
    @property
    def registry(self) -> Registry: ...

    @property
    def artefact_keys(self) -> ArtefactKeys: ...

    @property
    def anchors(self) -> Anchors: ...


class Progress(Protocol):
    def __call__(self, stage: str, share: float) -> None:
        """`share` of the stage, 0 to 1, is done; may be called from another thread."""
        ...


def no_progress(stage: str, share: float) -> None:
    """For callers that show none."""
