"""What the rules of errors.yaml find, and what they leave alone."""

from contextlib import suppress

# ruleid: everything-caught
try:
    print()
except Exception:
    pass

# ok: everything-caught
try:
    print()
except BaseException:
    print()
    raise

# ok: everything-caught
try:
    print()
except ValueError:
    pass

# ruleid: everything-suppressed
with suppress(Exception):
    print()

# ok: everything-suppressed
with suppress(OSError):
    print()


def admit(identity, permission):
    # ruleid: check-by-assert
    assert permission in identity.permissions
    # ok: check-by-assert
    assert isinstance(identity, str)
    # ok: check-by-assert
    assert identity is not None, "narrows a type"
