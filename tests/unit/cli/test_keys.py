"""What the commands on keys print."""

from __future__ import annotations

from dissonance.cli.keys import KeysAnswer, key_line, keys_table
from dissonance.ports.key_versions import KeyState, KeyVersion
from support.printing import printed


def test_list_shows_state_and_what_rests_under_each_version() -> None:
    versions = [KeyVersion(1, KeyState.RETIRED, 0, 60_000_000), KeyVersion(2, KeyState.ACTIVE, 0, 0, 1_000_000, 20)]
    answer = KeysAnswer(root_guard="passphrase", keys=[key_line(each) for each in versions], rewrapped=1_000_020)
    said = printed(keys_table(answer))
    assert "retired" in said and "active" in said
    assert "1,000,000" in said
    assert "guarded by: passphrase; 1,000,020 keys were wrapped anew" in said
    assert answer.keys[0].changed_at.startswith("1970-01-01T00:01:00")
