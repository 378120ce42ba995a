"""What reading bytes of others may raise, however they were made: no such text, another shape, or nested without end
(CWE-674), which msgspec and the readers of TOML tell by `RecursionError`.
"""

from __future__ import annotations

import msgspec

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
