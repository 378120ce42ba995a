"""Runs as a program of its own: `serve.py PACKAGES APPLICATION HOST PORT SECONDS CERTIFICATE KEY AUTHORITY`.

APPLICATION, in folder PACKAGES, makes an ASGI application; uvicorn serves it with TLS 1.3 only, to callers whose
certificate the authority vouches for, and looks every so many SECONDS whether these files were renewed. uvicorn's own
command line can neither refuse older versions of TLS nor take renewed certificates.
"""

import os
import ssl
import sys

import uvicorn

GRACE_S = 5
"""Seconds after SIGTERM until what is under way is cut off: clients hold connections open that they do not use, and do
not answer when those are closed."""


def context_of(certificate: str, key: str, authority: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(authority)
    return context


def main(arguments: list[str]) -> None:
    packages, application, host, port, look_every_s, *files = arguments
    sys.path.insert(0, packages)
    context = context_of(*files)
    seen = _stamps(files)

    async def look_again() -> None:
        nonlocal seen
        try:
            stamps = _stamps(files)
            if stamps == seen:
                return
            context_of(*files)  # files that do not fit each other are left alone until they do
            context.load_cert_chain(*files[:2])
            context.load_verify_locations(files[2])
            seen = stamps
        except OSError as error:
            sys.stderr.write(f"renewed certificates cannot be used: {error}\n")

    configuration = uvicorn.Config(
        application,
        factory=True,
        host=host,
        port=int(port),
        access_log=False,
        ssl_context_factory=lambda config, default: context,
        callback_notify=look_again,
        timeout_notify=int(look_every_s),
        timeout_graceful_shutdown=GRACE_S,
    )
    uvicorn.Server(configuration).run()


def _stamps(files: list[str]) -> list[tuple[int, int]]:
    return [(found.st_ino, found.st_mtime_ns) for found in map(os.stat, files)]


if __name__ == "__main__":
    main(sys.argv[1:])
