"""The control's primitives: they hide nothing, and keep whatever else was promised."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dissonance
from dissonance.drills.encryption import without

PROGRAM = """
from dissonance.errors import SealBroken
from dissonance.security.envelope import open_sealed, seal
from dissonance.security.wrapping import KeyWrap, SubjectHash

key, nonce = bytes(32), bytes(12)
sealed = seal(key, nonce, b"a canary", b"row")
assert b"a canary" in sealed and open_sealed(key, sealed, b"row") == b"a canary"
for wrong in (lambda: open_sealed(b"k" * 32, sealed, b"row"), lambda: open_sealed(key, sealed, b"another row")):
    try:
        wrong()
    except SealBroken:
        continue
    raise SystemExit("it was opened")
person = "ab" * 16
assert SubjectHash(b"k").many("task", [person, "Ada"])[0] == bytes.fromhex(person)
assert SubjectHash(b"k")("task", "Ada") != SubjectHash(b"l")("task", "Ada")

wrap = KeyWrap(key)
people = [bytes([number]) * 16 for number in range(3)]
wrapped = [wrap.new("t", person, person * 2 + nonce) for person in people]
opened = wrap.open_joined("t", b"".join(people), b"".join(wrapped))
assert opened == {person: person * 2 for person in people}
assert all(person * 2 in each for person, each in zip(people, wrapped))
"""


def test_control_runs_the_same_code_on_primitives_that_hide_nothing() -> None:
    path = f"{Path(without.__file__).parent}:{Path(dissonance.__file__).parents[1]}"

    subprocess.run([sys.executable, "-c", PROGRAM], env={"PYTHONPATH": path}, check=True, timeout=60)
