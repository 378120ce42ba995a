"""The record of the drill: how many predictions by which version and arm, and of how many something else is told."""

from __future__ import annotations

from dissonance.adapters.clock import SystemClock
from dissonance.contracts.events import CANARY_ARM
from dissonance.drills.records import AtLeast, Equals, Raw, Record, make_record
from dissonance.drills.who_answered.account import Account

ASKED = ("not_told", "version", "digest", "arm", "critic", "doubt", "shadow")


def record_of(account: Account, versions: int, rows_per_s: float, least: int) -> Record:
    return make_record(
        name="who-answered",
        what=f"{versions} versions one after the other, by canary and at once, two of them taken back, while two "
        f"replicas answered {rows_per_s:g} rows a second; then every prediction was asked about and held against "
        "what its client saw",
        command=f"dissonance drill who-answered --versions {versions} --rows-per-s {rows_per_s:g} --least {least}",
        now_us=SystemClock().now_us(),
        raw=raw_of(account),
        limits=[
            AtLeast("versions", versions),
            AtLeast("canary_versions", (versions + 1) // 2),
            AtLeast("canary_predictions", 1),
            *(Equals(f"wrong_{name}" if name != "not_told" else name, 0) for name in ASKED),
        ],
    )


def raw_of(account: Account) -> dict[str, Raw]:
    """`sure_arms`: predictions that can have been of one arm only; of the others, while replicas followed, the arm is
    held against two. `by_version`, `by_version_arm`, `by_version_rows`: side by side."""
    answers = sorted((version, arm, count) for (version, arm), count in account.answers.items() if version is not None)
    canaries = [(version, count) for version, arm, count in answers if arm == CANARY_ARM]
    return {
        "predictions": account.predictions,
        "versions": len({version for version, _, _ in answers}),
        "canary_versions": len(canaries),
        "canary_predictions": sum(count for _, count in canaries),
        "doubts_seen": account.doubts,
        "sure_arms": account.sure_arms,
        "by_version": [version for version, _, _ in answers],
        "by_version_arm": [arm for _, arm, _ in answers],
        "by_version_rows": [count for _, _, count in answers],
        **{f"wrong_{name}" if name != "not_told" else name: account.wrong[name] for name in ASKED},
    }
