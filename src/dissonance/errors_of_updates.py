"""Why an update does not go on its way though no rule of the gate spoke against it; part of the tree of `errors`."""

from __future__ import annotations

from dissonance.errors import InputError


class UpdateHeldUp(InputError):
    """No rule was asked, or what it said no longer counts; nothing was begun."""

    slug, title, status = "update-held-up", "The update does not go on its way now", 409


class RolloutUnderWay(UpdateHeldUp):
    """One update of a task at a time goes into production."""

    slug, title = "rollout-under-way", "An update of this task is under way"


class CoolingOff(UpdateHeldUp):
    slug, title = "cooling-off", "The task rests after a rollback"


class TakenBackBefore(UpdateHeldUp):
    """People or live answers spoke against it; only a person sends it again."""

    slug, title = "taken-back-before", "The version was taken back before"


class JudgementOutdated(UpdateHeldUp):
    slug, title = "judgement-outdated", "What the gate judged has changed since"


class NeverInProduction(UpdateHeldUp):
    """A rollback leads to what the gate has let through before."""

    slug, title = "never-in-production", "The version never was in production"


class HoldoutEmpty(UpdateHeldUp):
    """Nothing could be judged, so nothing was made."""

    slug, title = "holdout-empty", "No row of the golden holdout is left"
