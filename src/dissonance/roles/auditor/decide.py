"""What is wrong, given what was seen. Pure; times in microseconds since 1970 UTC."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from dissonance.contracts.counts import counted
from dissonance.contracts.policy import Policy
from dissonance.contracts.schema import Feature, FeatureKind, Task
from dissonance.ports.accesses import Denied
from dissonance.ports.breaker import BreakerState
from dissonance.ports.bus import DeadLetter
from dissonance.ports.host import Disk, KeyFolderMode, PlainStreams, Spooled
from dissonance.ports.registry import ModelVersion
from dissonance.ports.rollouts import Rollout
from dissonance.ports.store import Window
from dissonance.security.tls import Wire

SECOND_US = 1_000_000
GIB = 2**30
LEAST_FREE_SHARE = 0.1
LEAST_FREE_BYTES = GIB
MOST_SKEW_US = 2 * SECOND_US
STALE_US = 120 * SECOND_US
OTHERS = 0o077
BURST_US = 600 * SECOND_US
MOST_DENIED = 50
MOST_BURSTS = 20
"""The worst are told; a flood from everywhere need not become a flood of findings."""


class Fault(NamedTuple):
    """One thing that is wrong with `subject`, in one sentence, and the numbers it rests on."""

    subject: str
    what: str
    evidence: dict[str, float | int | str]


def disk_low(disk: Disk) -> Fault | None:
    """A tenth of the disk and `LEAST_FREE_BYTES` shall be free.

    >>> disk_low(Disk("/data", 100 * GIB, 50 * GIB)) is None
    True
    """
    if disk.free >= max(LEAST_FREE_SHARE * disk.total, LEAST_FREE_BYTES):
        return None
    what = f"{disk.free / GIB:.1f} of {disk.total / GIB:.1f} GiB are free"
    return Fault(disk.folder, what, {"free_bytes": disk.free, "total_bytes": disk.total})


def texts_in_plain(places: Sequence[str]) -> Fault | None:
    """
    >>> texts_in_plain(["labels.source", "tasks.body"]).what
    'in plain in 2 places: labels.source, tasks.body'
    """
    if not places:
        return None
    what = f"in plain in {counted(len(places), 'place')}: {', '.join(sorted(places))}"
    return Fault("experience database", what, {"places": len(places)})


def events_spooled(spooled: Spooled) -> Fault | None:
    if not spooled.files:
        return None
    what = f"{spooled.size_bytes / 1e6:.1f} MB of sealed events in {counted(spooled.files, 'file')}"
    return Fault(spooled.folder, what, {"files": spooled.files, "bytes": spooled.size_bytes})


def breakers_open(states: Mapping[str, BreakerState]) -> list[Fault]:
    return [
        Fault(engine, f"its breaker is {state.value}", {"state": state.value})
        for engine, state in sorted(states.items())
        if state is not BreakerState.CLOSED
    ]


def denied_bursts(denied: Sequence[Denied]) -> list[Fault]:
    """`denied`: within the last `BURST_US`.

    >>> [fault.subject for fault in denied_bursts([Denied("192.0.2.7", "", 51), Denied("192.0.2.8", "ann", 50)])]
    ['nobody known, from 192.0.2.7']
    """
    return [
        Fault(
            f"{each.who or 'nobody known'}, from {each.source}",
            f"{each.attempts:,} attempts were denied within {BURST_US // (60 * SECOND_US)} minutes",
            {"attempts": each.attempts},
        )
        for each in denied
        if each.attempts > MOST_DENIED
    ][:MOST_BURSTS]


def key_folder_open(folder: KeyFolderMode) -> Fault | None:
    if not folder.mode & OTHERS:
        return None
    return Fault(folder.folder, f"its permissions are {folder.mode:o}, not 700", {"mode": f"{folder.mode:o}"})


def streams_in_plain(found: PlainStreams) -> Fault | None:
    if not found.names:
        return None
    what = f"{counted(len(found.names), 'stream is', 'streams are')} not encrypted: {', '.join(found.names[:5])}"
    return Fault(found.folder, what, {"streams": len(found.names)})


def connections_plain(wires: Sequence[Wire]) -> list[Fault]:
    """
    >>> [fault.subject for fault in connections_plain((Wire.HTTP,))]
    ['http']
    """
    return [Fault(wire.value, "a setting lets it be plain", {"connection": wire.value}) for wire in wires]


def clock_skew(before_us: int, database_us: int, after_us: int) -> Fault | None:
    """The database's clock was read between `before_us` and `after_us` of ours: only what lies outside is skew."""
    skew_us = max(before_us - database_us, database_us - after_us, 0)
    if skew_us <= MOST_SKEW_US:
        return None
    seconds = skew_us / SECOND_US
    return Fault("database", f"its clock is {seconds:.1f} s from this machine's", {"skew_s": seconds})


def consumer_stale(consumer: str, lag: int, oldest_us: int | None, now_us: int) -> Fault | None:
    if oldest_us is None or now_us - oldest_us <= STALE_US:
        return None
    age_s = (now_us - oldest_us) // SECOND_US
    what = f"{counted(lag, 'message waits', 'messages wait')}, the oldest for {age_s} s"
    return Fault(consumer, what, {"lag": lag, "oldest_age_s": age_s})


def dead_letters(letters: Sequence[DeadLetter]) -> list[Fault]:
    """One fault a consumer."""
    counts = Counter(letter.consumer for letter in letters)
    rows: Counter[str] = Counter()
    for letter in letters:
        rows[letter.consumer] += letter.rows
    return [
        Fault(
            name,
            f"set aside: {counted(count, 'message')} with {counted(rows[name], 'row')}",
            {"messages": count, "rows": rows[name]},
        )
        for name, count in sorted(counts.items())
    ]


def schema_faults(task: Task) -> list[Fault]:
    """At most one, naming all that contradicts itself."""
    names = [feature.name for feature in task.schema.features]
    wrong = [f"'{name}' is there twice" for name, count in Counter(names).items() if count > 1]
    wrong += [each for feature in task.schema.features for each in _feature_faults(feature)]
    if not names:
        wrong.append("there is no feature")
    if len(set(map(str, task.classes))) < max(2, len(task.classes)):
        wrong.append("fewer than two different classes")
    wrong += [f"'{name}' is fed to the model" for name in (task.target,) if name in names]
    return [Fault(task.name, "; ".join(wrong), {"faults": len(wrong)})] if wrong else []


def _feature_faults(feature: Feature) -> list[str]:
    if feature.kind is FeatureKind.CATEGORY:
        texts = [repr(category) for category in feature.categories]
        return [] if texts and len(set(texts)) == len(texts) else [f"'{feature.name}' has no categories, or one twice"]
    low, high = feature.minimum, feature.maximum
    if low is None or high is None or low <= high:
        return []
    return [f"'{feature.name}' has its minimum above its maximum"]


def critic_alias_behind(task: str, proposer: ModelVersion, critic: ModelVersion | None) -> Fault | None:
    """Both as the registry has them in production; None where it names no critic."""
    if critic is not None and critic.parent == proposer.version:
        return None
    named = "none" if critic is None else f"critic {critic.version}, made for version {critic.parent},"
    what = f"version {proposer.version} is in production, and of critics {named} is called so"
    return Fault(task, what, {"version": proposer.version, "critic": 0 if critic is None else critic.version})


def production_undecided(task: str, proposer: ModelVersion, latest: Rollout | None) -> Fault | None:
    """`proposer` is in production, `latest` the newest rollout; None before the first."""
    if latest is None or latest.leaves_in_production == proposer.version:
        return None
    wanted = latest.leaves_in_production
    what = f"version {proposer.version} is in production, and version {wanted} by the newest decision"
    return Fault(task, f"{what} ({latest.phase.value})", {"version": proposer.version, "decided": wanted})


def dissonance_high(task: str, windows: Sequence[Window], policy: Policy) -> Fault | None:
    """`windows`: the latest closed ones, in any order."""
    if len(windows) < policy.audit_windows or min(window.mean_dissonance for window in windows) <= policy.D_target:
        return None
    return _dissonance(task, windows, f"above the target of {policy.D_target:g}")


def dissonance_low(task: str, windows: Sequence[Window], policy: Policy) -> Fault | None:
    too_few = len(windows) < policy.audit_windows
    if too_few or max(window.mean_dissonance for window in windows) >= policy.dissonance_floor:
        return None
    return _dissonance(task, windows, f"below the floor of {policy.dissonance_floor:g}")


def _dissonance(task: str, windows: Sequence[Window], where: str) -> Fault:
    mean = sum(window.mean_dissonance for window in windows) / len(windows)
    what = f"mean dissonance of the last {len(windows)} windows is {mean:.4f}, each {where}"
    return Fault(task, what, {"windows": len(windows), "mean_dissonance": mean})


def dissonance_budget_spent(task: str, spent: int, policy: Policy) -> Fault | None:
    """A budget of 0 is a decision, not a shortage."""
    if not 0 < policy.d_budget_per_hour <= spent:
        return None
    what = f"all {policy.d_budget_per_hour} rows of the newest hour's dissonance budget are spent"
    return Fault(task, what, {"spent": spent, "budget": policy.d_budget_per_hour})


def label_budget_spent(task: str, asked: int, policy: Policy) -> Fault | None:
    if not 0 < policy.label_budget_per_day <= asked:
        return None
    what = f"{asked} labels of the newest day were asked for, {policy.label_budget_per_day} are paid for"
    return Fault(task, what, {"asked": asked, "budget": policy.label_budget_per_day})


def label_famine(task: str, since_us: int, now_us: int, policy: Policy) -> Fault | None:
    """`since_us`: time of the last label, or of the first input."""
    hungry_s = (now_us - since_us) // SECOND_US
    if hungry_s <= policy.label_famine_s:
        return None
    return Fault(task, f"no label for {hungry_s} s of event time", {"without_label_s": hungry_s})
