"""What a command tells the audit trail: on the disk beside the data, from where the next process that runs takes it
(ADR 54). The engines need not be there for it."""

from __future__ import annotations

import platform

from dissonance.adapters.looking import is_folder
from dissonance.cli.output import error_console
from dissonance.contracts.accesses import Access, AccessBatch, Outcome, plain
from dissonance.security.permissions import Permission
from dissonance.settings import Settings

UNRECORDED = frozenset({Permission.ENGINES, Permission.RECORDS})
"""Looking whether the engines run, and at measurements, tells of no task and no person; programs do it all day."""


def record(settings: Settings, path: str, permission: Permission, *, who: str, task: str | None, reason: str) -> bool:
    """`reason`: slug of the refusal, empty when it may go on. False while there is no installation to record it in.

    Raises `DataFolderError` where this account may not look whether there is one.
    """
    if permission in UNRECORDED:
        return True
    if not is_folder(settings.keys_folder):
        return False
    from dissonance.adapters.clock import SystemClock, SystemRandomness
    from dissonance.adapters.spool.accesses import SPOOL_BYTES
    from dissonance.adapters.spool.spool import Spool

    now_us, randomness = SystemClock().now_us(), SystemRandomness()
    access = Access(
        who=plain(who),
        source=plain(platform.node()),
        permission=permission.value,
        what=f"dissonance {path}",
        task=plain(task or ""),
        outcome=Outcome.DENIED if reason else Outcome.ALLOWED,
        first_us=now_us,
        last_us=now_us,
        reason=reason,
    )
    batch = AccessBatch(batch_id=randomness.token(16).hex(), by=f"{platform.node()}/command", accesses=[access])
    spool = Spool(settings.access_spool, randomness.token(8).hex(), SPOOL_BYTES)
    try:
        spool.append([batch.evidence()])
    except OSError as error:
        # A disk that is full must not keep anybody from mending just that.
        error_console.print(f"not recorded in the audit trail: {error.strerror or error}", markup=False)
    finally:
        spool.close()
    return True
