"""What people copy from a table is whole on a terminal of 80 columns, whatever stands beside it; and no word that fits
on a line is broken there."""

from __future__ import annotations

import pytest
from rich.console import Console
from rich.table import Table

from dissonance.cli.audit_log import accesses_table, line_of
from dissonance.cli.decisions import decisions_table
from dissonance.cli.decisions_replay import DecisionsReplayed, ReplayedLine, show_replayed
from dissonance.cli.kpis import Kpi, kpis_table
from dissonance.cli.model_diff import FactLine, ModelDiffAnswer, diff_table
from dissonance.cli.models import ModelLine, models_table
from dissonance.cli.output import add_id_column
from dissonance.cli.replays import KeptReplay, KeptVerdict, replays_table, verdicts_table
from dissonance.cli.task import TaskLine, list_table
from dissonance.cli.token_clients import ClientLine, clients_table
from dissonance.cli.token_keys import KeyLine, keys_table
from dissonance.cli.token_revocations import RevocationLine, revoked_table
from dissonance.cli.who_answered import WhoAnsweredAnswer, each_answered_table, who_answered_table
from dissonance.contracts.decision_api import DecisionLine, DecisionsReply
from dissonance.drills.records import AtMost, make_record
from dissonance.ports.accesses import KeptAccess
from support.accesses import access, denied
from support.printing import printed

LONG = "long-winded " * 5
UUID = "0190b5f0-1111-7000-8000-000000000001"
HEX = "0" * 31 + "7"
PREFIX = "0" * 11 + "7"
DIGEST = PREFIX + "0" * 52
AT = "2026-11-27T19:33:49.123456Z"


def decisions() -> Table:
    line = DecisionLine(
        decision_id=DIGEST,
        link=1,
        kind="holdout_refreshed",
        version=12_345,
        previous_version=12_344,
        production=1,
        by=LONG,
        reason=LONG,
        decided_at=AT,
        event_time=AT,
        policy_version=1,
        parent="",
    )
    return decisions_table(DecisionsReply("toy", [line]))


def accesses() -> Table:
    kept = [
        access(1, what="models promote", task="employment", who="somebody", source="a-machine", status=0),
        denied(2, what="POST /v1/tasks/{task}/label-requests", task="employment", count=1_234),
        access(3, who="grafana-" + PREFIX, source="2001:db8:85a3:8d3:1319:8a2e:370:7348"),
    ]
    return accesses_table([line_of(KeptAccess(1, 0, each)) for each in kept])


def differences() -> Table:
    facts = [
        FactLine("registered at", AT, AT),
        FactLine("digest", DIGEST, DIGEST),
        FactLine("parameter minimum_rows_in_a_leaf", "20", "40"),
        FactLine("metric golden_log_loss", "0.512345", "0.498765"),
    ]
    return diff_table(
        ModelDiffAnswer(
            task="toy", before=1, after=2, facts=facts, same=[], golden_rows=9_999, kl=0.1, kl_error=0.01, differing=0.2
        )
    )


def measured() -> Table:
    record = make_record(
        name="bench-science-cost",
        what=LONG,
        command=LONG,
        now_us=0,
        raw={"against_pape_target_high_points": 0.06566607212},
        limits=[AtMost("against_pape_target_high_points", 0.0)],
    )
    return kpis_table([Kpi(record, 3)])


def replayed(console: Console) -> None:
    line = ReplayedLine(
        decision_id=DIGEST,
        link=1,
        decided_at=AT,
        version=12_345,
        recorded="holdout_refreshed",
        now="overridden",
        same=False,
        computed=True,
        rules=["GoldenNonInferiority", "CalibrationNotWorse"],
        why=LONG,
    )
    show_replayed(console, DecisionsReplayed(task="toy", policy={}, decisions=[line], differing=1))


def models() -> Table:
    return models_table(
        "toy", [ModelLine("proposer", 12_345, True, None, 12_344, AT, DIGEST, {"golden_accuracy": 1.0})]
    )


ANSWERED = WhoAnsweredAnswer(
    task="toy",
    prediction_id=UUID,
    answered_at=AT,
    event_time=AT,
    version=None,
    model_digest=DIGEST,
    arm="production",
    critic_version=None,
    critic_digest=DIGEST,
    shadow_version=12_345,
    policy_version=1,
    verdict="admitted",
    reason="within limits",
    doubt=0.1,
    dissonance=0.1,
    right=True,
)
REPLAY = KeptReplay(HEX, "KL_eps=0.5, " * 4, AT, AT, 1_000_000, 1_000_000, 1_000_000, AT)
KEY = KeyLine(
    id="key-" + HEX,
    name=LONG,
    permissions=["predict", "labels"],
    tasks=["toy", "other"],
    created_at=AT,
    expires_at=AT,
    by=LONG,
    state="valid",
)
CLIENT = ClientLine(
    id="grafana-" + PREFIX,
    grants=["viewer"],
    tasks=["toy"],
    redirects=["https://grafana.example.org/login/generic_oauth"],
    created_at=AT,
    expires_at=AT,
    by=LONG,
    state="valid",
    proof="secret",
)


@pytest.mark.parametrize(
    ("shown", "copied"),
    [
        (decisions(), PREFIX),
        (replayed, PREFIX),
        (models(), PREFIX),
        (who_answered_table(ANSWERED), UUID),
        (each_answered_table("toy", [ANSWERED]), UUID),
        (replays_table([REPLAY]), HEX),
        (verdicts_table([KeptVerdict(UUID, AT, LONG, LONG)]), UUID),
        (list_table([TaskLine("a-task-" * 8, HEX, "a_target_" * 6, 2, 123, AT)]), HEX),
        (keys_table([KEY]), KEY.id),
        (clients_table([CLIENT]), CLIENT.id),
        (revoked_table([RevocationLine("token", HEX, AT, LONG, LONG)]), HEX),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_id_is_whole_on_one_line_of_eighty_columns(shown: object, copied: str) -> None:
    lines = printed(shown, width=80).splitlines()
    assert any(copied in line for line in lines)
    assert max(map(len, lines)) <= 80


def words(shown: object, width: int) -> set[str]:
    """What stands between blanks and lines of a table."""
    return set(printed(shown, width=width).translate(dict.fromkeys(map(ord, "│┃"), " ")).split())


@pytest.mark.parametrize(
    "shown",
    [
        decisions(),
        replayed,
        models(),
        accesses(),
        differences(),
        measured(),
        each_answered_table("toy", [ANSWERED]),
        replays_table([REPLAY]),
        verdicts_table([KeptVerdict(UUID, AT, LONG, LONG)]),
        keys_table([KEY]),
        clients_table([CLIENT]),
        revoked_table([RevocationLine("token", HEX, AT, LONG, LONG)]),
        list_table([TaskLine("acs-employment", HEX, "employed", 2, 16, AT)]),
        list_table([TaskLine("a-task-" * 5, HEX, "a_target_" * 6, 2, 123, AT)]),
    ],
)
@pytest.mark.parametrize("width", [80, 100, 120])
def test_a_word_that_fits_on_a_line_is_never_broken(shown: object, width: int) -> None:
    whole = {word for word in words(shown, 1_000) if word.strip("─━┏┓┳┡┩╇└┘┴├┤┼╭╮╰╯") and len(word) <= 60}
    assert whole - words(shown, width) == set()
    assert max(map(len, printed(shown, width=width).splitlines())) <= width


def test_a_digest_that_leaves_no_room_is_folded_and_not_cut() -> None:
    table = Table()
    add_id_column(table, "id", [DIGEST])
    table.add_column("why", overflow="fold")
    table.add_row(DIGEST, LONG)
    told = printed(table, width=60)
    assert "…" not in told
    assert sum(line.count("0") for line in told.splitlines()) == DIGEST.count("0")
