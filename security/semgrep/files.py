"""What the rules of files.yaml find, and what they leave alone."""

import os
import tempfile
from pathlib import Path

# ruleid: guessable-temporary-file
name = tempfile.mktemp()
# ok: guessable-temporary-file
folder = tempfile.mkdtemp()

# ruleid: made-without-a-mode
descriptor = os.open("key", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
# ok: made-without-a-mode
descriptor = os.open("key", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
# ok: made-without-a-mode
descriptor = os.open("key", os.O_RDONLY)

# ruleid: opened-to-everybody
os.chmod("key", 0o666)
# ruleid: opened-to-everybody
os.umask(0o0)
# ok: opened-to-everybody
Path("key").chmod(0o600)

# ruleid: written-for-everybody-to-read
Path("rows.json").write_bytes(b"{}")
# ruleid: written-for-everybody-to-read
file = Path("rows.json").open("wb")
# ok: written-for-everybody-to-read
file = Path("rows.json").open("rb")
