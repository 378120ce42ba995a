"""What libraries say while a command runs is kept from its user: it names nothing that a user could mend."""

from __future__ import annotations

import logging
import sys
import warnings

from dissonance.cli.output import error_console
from dissonance.telemetry.logs import FIELDS

OURS = "dissonance"


class OursForPeople(logging.Handler):
    """Warnings of ours that are sentences go to stderr; Python's last resort would print those of everybody.

    Lines of fields are for the logs of roles, which `configure_logging` sends elsewhere.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.addFilter(lambda record: record.name.split(".")[0] == OURS and not hasattr(record, FIELDS))

    def emit(self, record: logging.LogRecord) -> None:
        error_console.print(record.getMessage(), markup=False, soft_wrap=True)


def hush_libraries() -> None:
    """For the process of a command. Who asks Python for warnings (`-W`, `PYTHONWARNINGS`) gets them."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    logging.getLogger().addHandler(OursForPeople())
