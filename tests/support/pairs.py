"""Small fitted pairs of models, packed and registered as the pipeline does it."""

from __future__ import annotations

from functools import cache

from dissonance.adapters.memory.registry import MemoryRegistry
from dissonance.contracts.schema import Feature, FeatureKind, FeatureSchema, Task
from dissonance.errors import ModelNotFound
from dissonance.pipeline.registration import FittedPair, RegisteredPair, register_pair
from dissonance.ports.registry import ModelRole, ModelVersion
from dissonance.science.proposer import LightGBMProposer, fit_lightgbm
from dissonance.science.sceptic import Labelled, Sceptic, fit_sceptic
from support.distributions import CATEGORY_SIZES, labelled_rows
from support.workshop import CATEGORIES, Workshop, workshop

TASK = Task(
    task_id="a" * 32,
    name="small",
    schema=FeatureSchema(
        (
            Feature("first", FeatureKind.NUMBER),
            Feature("second", FeatureKind.NUMBER, missing_allowed=True),
            Feature("kind", FeatureKind.CATEGORY, categories=CATEGORIES),
        )
    ),
    classes=("no", "yes"),
    target="label",
    created_at_us=0,
    source_digest="0" * 64,
)


@cache
def fitted(seed: int) -> tuple[LightGBMProposer, Sceptic]:
    features, classes = labelled_rows(300, seed)
    proposer = fit_lightgbm(features, classes, category_sizes=CATEGORY_SIZES, classes_count=2, seed=seed, threads=1)
    doubted = Labelled(features, proposer.probabilities(features), classes)
    return proposer, fit_sceptic(doubted, category_sizes=CATEGORY_SIZES, seed=seed)


class Shelf:
    """A registry in memory with pairs of `TASK`; `damage` changes bytes as they are fetched."""

    def __init__(self) -> None:
        self.work: Workshop = workshop()
        self.registry = DamagingRegistry(self.work.clock)
        self.work = self.work._replace(registry=self.registry)
        self.keys = self.work.artefact_keys

    def add(self, seed: int) -> RegisteredPair:
        """The next version of proposer and critic."""
        proposer, critic = fitted(seed)
        return register_pair(self.work, TASK, FittedPair(proposer, critic, {}, {}, {}, data_digest="d" * 64))

    def add_again(self, version: ModelVersion, *, parent: int | None = None, digest: str = "") -> ModelVersion:
        """The same bytes under another version, said to be the child of `parent` and to have `digest`."""
        return self.registry.register(
            TASK.task_id,
            TASK.name,
            version.role,
            self.registry.artefact(TASK.task_id, version.role, version.version),
            digest or version.digest,
            metrics={},
            parameters={},
            parent=parent,
        )

    def promote(self, version: ModelVersion) -> None:
        self.registry.promote(self.registry.version(TASK.task_id, version.role, version.version))


class DamagingRegistry(MemoryRegistry):
    """Flips one bit in the middle of what is fetched of the roles in `damaged`; counts what is fetched. While
    `withdrawn`, no alias points anywhere."""

    damaged: frozenset[ModelRole] = frozenset()
    fetched = 0
    withdrawn = False

    def production(self, task_id: str, role: ModelRole) -> ModelVersion:
        if self.withdrawn:
            raise ModelNotFound(f"no {role} is in production", where="registry", fix="promote one")
        return super().production(task_id, role)

    def artefact(self, task_id: str, role: ModelRole, version: int) -> bytes:
        self.fetched += 1
        data = bytearray(super().artefact(task_id, role, version))
        if role in self.damaged:
            data[len(data) // 2] ^= 1
        return bytes(data)
