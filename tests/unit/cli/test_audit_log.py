"""What `dissonance audit-log` shows; that it works on real engines is in the acceptance tests."""

from __future__ import annotations

import msgspec
import pytest

from dissonance.cli.audit_log import accesses_table, line_of, verified_words, verify_answer, wanted_of
from dissonance.contracts.accesses import Outcome
from dissonance.decisions.evidence.links import Broken, Fault
from dissonance.errors import WrongType
from dissonance.pipeline.verifying_accesses import VerifiedAccesses
from dissonance.ports.accesses import KeptAccess, WantedAccesses
from support.accesses import access, denied
from support.printing import printed


def test_a_line_says_where_the_chain_holds_it_and_when_it_was() -> None:
    line = msgspec.to_builtins(line_of(KeptAccess(7, 2, denied(1, first_us=0, last_us=1_000_000, count=3))))
    assert (line["link"], line["position"], line["count"], line["outcome"]) == (7, 2, 3, "denied")
    assert (line["first"], line["last"]) == ("1970-01-01T00:00:00.000000Z", "1970-01-01T00:00:01.000000Z")


def test_the_table_shows_who_what_where_and_the_answer_and_takes_no_markup_from_callers() -> None:
    lines = [
        line_of(KeptAccess(2, 0, denied(2, who="", task="[bold]toy[/bold]", count=1_234))),
        line_of(KeptAccess(1, 0, access(1))),
    ]
    shown = printed(accesses_table(lines))
    for word in ("nobody", "1,234", "192.0.2.1", "[bold]toy[/bold]", "denied forbidden", "ann", "allowed 200"):
        assert word in shown


def test_what_is_wanted_is_read_from_options() -> None:
    assert wanted_of(None, None, None, None, None, None, None) == WantedAccesses()
    wanted = wanted_of("ann", "policy", "toy", "host", Outcome.DENIED, "1970-01-01T00:00:01Z", "1970-01-01T00:00:02Z")
    assert wanted == WantedAccesses("ann", "policy", "toy", "host", Outcome.DENIED, 1_000_000, 2_000_000)
    with pytest.raises(WrongType):
        wanted_of(None, None, None, None, None, "yesterday", None)


def test_it_says_whether_all_holds_and_what_does_not() -> None:
    holds = verify_answer(VerifiedAccesses(3, 40, 5_000, 2, None))
    assert (holds.holds, holds.fault, holds.link) == (True, None, None)
    assert "5,000 attempts" in verified_words(holds)
    broken = verify_answer(VerifiedAccesses(3, 4, 5, 2, Broken(Fault.CHAIN_CUT, 4, "it was cut")))
    assert (broken.holds, broken.fault, broken.link) == (False, "chain cut", 4)
    assert "it was cut" in verified_words(broken)
