"""The record of the drill: how many went into production without a hand, how often that is, and what did not."""

from __future__ import annotations

from itertools import pairwise
from statistics import median

from dissonance.adapters.clock import SystemClock
from dissonance.drills.deploy.run import POLICY, Outcome
from dissonance.drills.records import AtLeast, Equals, Raw, Record, make_record

DAY_S = 86_400.0


def record_of(outcome: Outcome, deployments: int) -> Record:
    return make_record(
        name="deploy",
        what=f"{deployments} updates in a row through training, gate and canary into production without a hand, rows "
        f"and their labels replayed at {outcome.rows_per_s:g} a second",
        command=f"dissonance drill deploy --deployments {deployments} --rows-per-s {outcome.rows_per_s:g}",
        now_us=SystemClock().now_us(),
        raw=raw_of(outcome),
        limits=[
            AtLeast("deployments", deployments),
            Equals("accepted_and_not_deployed", 0),
            Equals("taken_back", 0),
            AtLeast("deployments_per_day", 1.0),
        ],
    )


def raw_of(outcome: Outcome) -> dict[str, Raw]:
    """`deployments_per_day`: at this rate of labels; `labels_each`: the labels from one to the next, which tell how
    often it would be at another rate."""
    deployed = outcome.deployed
    labels = [0, *(each.labels for each in deployed)]
    apart = [after - before for before, after in pairwise(labels)]
    took = [each.promoted_s - each.accepted_s for each in deployed]
    return {
        "deployments": len(deployed),
        "refused": outcome.refused,
        "accepted_and_not_deployed": outcome.abandoned,
        "taken_back": outcome.taken_back,
        "deployments_per_day": len(deployed) * DAY_S / outcome.seconds,
        "seconds": outcome.seconds,
        "rows": outcome.rows,
        "labels": outcome.labels,
        "labels_per_s": outcome.labels / outcome.seconds,
        "labels_each": list(apart),
        "labels_median": median(apart) if apart else None,
        "accepted_to_promoted_s": [round(value, 2) for value in took],
        "accepted_to_promoted_median_s": median(took) if took else None,
        "retrain_labels_enough": POLICY["retrain_labels_enough"],
        "canary_share": POLICY["canary_share"],
    }
