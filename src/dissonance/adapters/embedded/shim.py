"""Runs as its own small program between the supervisor and an engine: `shim.py PARENT SIGNAL UID GID PROGRAM…`.

It becomes the unprivileged account when one is given (PostgreSQL refuses to run as root), asks the kernel for SIGNAL
when its parent dies (prctl(2), PR_SET_PDEATHSIG), then becomes the engine. The order matters: a change of account
clears the request. It imports nothing of the package, since that account may not be able to read it.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    parent, last_signal, uid, gid = (int(argument) for argument in arguments[:4])
    program = arguments[4:]
    if uid >= 0:
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, last_signal, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit("the supervisor died before its engine started")
    try:
        os.execv(program[0], program)  # noqa: S606 - becoming another program is its purpose
    except OSError as error:
        sys.exit(f"{program[0]} cannot be started: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
