"""What people copy from a table is whole on a terminal of 80 columns, whatever stands beside it."""

from __future__ import annotations

import pytest
from rich.console import Console
from rich.table import Table

from dissonance.cli.decisions import decisions_table
from dissonance.cli.decisions_replay import DecisionsReplayed, ReplayedLine, show_replayed
from dissonance.cli.models import ModelLine, models_table
from dissonance.cli.output import add_id_column
from dissonance.cli.replays import KeptReplay, KeptVerdict, replays_table, verdicts_table
from dissonance.cli.task import TaskLine, list_table
from dissonance.cli.token_clients import ClientLine, clients_table
from dissonance.cli.token_keys import KeyLine, keys_table
from dissonance.cli.token_revocations import RevocationLine, revoked_table
from dissonance.cli.who_answered import WhoAnsweredAnswer, each_answered_table, who_answered_table
from dissonance.contracts.decision_api import DecisionLine, DecisionsReply
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


def test_a_digest_that_leaves_no_room_is_folded_and_not_cut() -> None:
    table = Table()
    add_id_column(table, "id", [DIGEST])
    table.add_column("why", overflow="fold")
    table.add_row(DIGEST, LONG)
    told = printed(table, width=60)
    assert "…" not in told
    assert sum(line.count("0") for line in told.splitlines()) == DIGEST.count("0")
