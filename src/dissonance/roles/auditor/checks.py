"""Every check of the auditor: what it sees, how bad that is, and the way to mend it (docs/findings.md)."""

from __future__ import annotations

from typing import NamedTuple

from dissonance.ports.findings import Severity


class Check(NamedTuple):
    severity: Severity
    sees: str
    fix: str


CHECKS: dict[str, Check] = {
    "engine-unavailable": Check(
        Severity.CRITICAL,
        "an engine does not answer",
        "dissonance status names it; dissonance up starts it again",
    ),
    "record-broken": Check(
        Severity.CRITICAL,
        "a stored task or policy cannot be read",
        "restore the database from its backup, or the record from dissonance policy history",
    ),
    "keys-do-not-match": Check(
        Severity.CRITICAL,
        "the key folder is not the one that the rows were sealed with, or the part of a key is missing in it",
        "restore the key folder from its backup, or point DISSONANCE_KEY_FOLDER at it",
    ),
    "key-folder-open": Check(
        Severity.ERROR,
        "others than its owner may read the key folder",
        "chmod 700 the folder, and change its keys if somebody may have read them",
    ),
    "streams-in-plain": Check(
        Severity.CRITICAL,
        "the broker's files on this machine are not encrypted",
        "start the broker by dissonance up, with its cipher, and publish anew what those streams hold",
    ),
    "texts-in-plain": Check(
        Severity.ERROR,
        "the experience database holds reasons, categories or slices in plain, of before they were sealed",
        "dissonance database seal",
    ),
    "connection-plain": Check(
        Severity.ERROR,
        "a setting lets connections of the auditor's process be plain: what is said on them can be read and changed",
        "use TLS there and take it out of DISSONANCE_PLAIN_CONNECTIONS",
    ),
    "disk-low": Check(
        Severity.ERROR,
        "less than a tenth of the disk, or less than 1 GiB, is free where the engines keep their data",
        "free some: old logs, a shorter retention_days, or a larger disk",
    ),
    "clock-skew": Check(
        Severity.ERROR,
        "this machine's clock and the database's differ by more than two seconds",
        "synchronise the clocks (NTP)",
    ),
    "events-spooled": Check(
        Severity.WARNING,
        "answers wait on this machine's disk, since the broker does not take them",
        "they follow by themselves when NATS is back and a proposer runs here; dissonance status",
    ),
    "breaker-open": Check(
        Severity.WARNING,
        "this process does not ask an engine, since that did not answer",
        "see whether it runs and is reachable from here; it is asked again by itself",
    ),
    "denied-burst": Check(
        Severity.ERROR,
        "more than fifty attempts of one holder, or from one address, were denied within ten minutes",
        "dissonance audit-log list --outcome denied shows them; mend the client, or keep the address out",
    ),
    "consumer-stale": Check(
        Severity.ERROR,
        "a consumer has not acknowledged a message that is older than two minutes",
        "start its role (dissonance run), or read its log: it may wait for an engine",
    ),
    "dead-letters": Check(
        Severity.ERROR,
        "messages were set aside because they failed again and again",
        "dissonance dead-letters list tells why; mend that, then dissonance dead-letters replay",
    ),
    "schema-invalid": Check(
        Severity.ERROR,
        "the task's schema contradicts itself",
        "create the task anew from its data file",
    ),
    "model-missing": Check(
        Severity.CRITICAL,
        "no model of the task is in production",
        "dissonance models list TASK, then dissonance models promote TASK --version N",
    ),
    "model-not-loadable": Check(
        Severity.CRITICAL,
        "the model in production cannot be opened, or does not answer a row of the task",
        "dissonance models rollback TASK, or restore the registry from its backup",
    ),
    "model-signed-by-another": Check(
        Severity.CRITICAL,
        "the model in production is signed with another key than this system's",
        "find out who registered it; dissonance models rollback TASK",
    ),
    "critic-alias-behind": Check(
        Severity.NOTE,
        "the critic that the registry calls production was made for another proposer than the one in production, as a "
        "crash between the two moves leaves it; answers are right, since a critic is found by its proposer",
        "dissonance models promote TASK --version N, with the N in production: it moves that alias and nothing else",
    ),
    "production-undecided": Check(
        Severity.WARNING,
        "the version in production is not the one that the newest decision puts there: its alias was moved past the "
        "gate, or a move was cut short and nobody could finish it",
        "dissonance models history TASK; then dissonance models rollback TASK --to VERSION, with the one that shall be",
    ),
    "dissonance-high": Check(
        Severity.WARNING,
        "mean dissonance is above D_target in every one of the last audit_windows closed windows",
        "look at the windows' slices; label there and retrain: dissonance labels ask TASK",
    ),
    "dissonance-low": Check(
        Severity.WARNING,
        "mean dissonance is below dissonance_floor in every one of the last audit_windows closed windows: the critic "
        "only repeats the proposer",
        "retrain, which fits a new critic: dissonance models retrain TASK",
    ),
    "dissonance-budget-spent": Check(
        Severity.WARNING,
        "the newest hour of event time has spent d_budget_per_hour: further dissonant rows of it are blocked",
        "look why rows are dissonant; only then raise d_budget_per_hour",
    ),
    "label-budget-spent": Check(
        Severity.NOTE,
        "the newest day of event time has spent label_budget_per_day: nothing more of it is asked about",
        "raise label_budget_per_day if people have time",
    ),
    "label-famine": Check(
        Severity.WARNING,
        "inputs came for label_famine_s of event time after the last label",
        "answer the queue (dissonance labels status TASK), or mend what brings labels",
    ),
}
