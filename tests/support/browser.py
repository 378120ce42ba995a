"""A browser that does what somebody would: opens the page it is given, fills in the form, and follows where that leads.

As a program it is what `$BROWSER` names: `browser.py ADDRESS`, with who and whom to trust in the environment.
"""

from __future__ import annotations

import os
import re
import ssl
import sys
import urllib.error
import urllib.request
from html import unescape
from urllib.parse import urlencode


class _Stays(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def log_in(address: str, name: str, password: str, tls: ssl.SSLContext) -> str:
    """Where the browser is sent then. Raises `HTTPError` where it stays on the page."""
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=tls), _Stays())
    with opener.open(address, timeout=60) as shown:
        page, cookie = shown.read().decode(), shown.headers["set-cookie"].partition(";")[0]
    proof = unescape(re.findall(r'name="form" value="([^"]*)"', page)[0])
    action = unescape(re.findall(r'<form method="post" action="([^"]*)"', page)[0])
    form = urlencode({"form": proof, "name": name, "password": password, "answer": "log-in"}).encode()
    request = urllib.request.Request(address.partition("?")[0] + action, form, {"cookie": cookie})
    try:
        opener.open(request, timeout=60).close()
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 303:
                return error.headers["location"]
        raise
    raise AssertionError("the page was shown again")


if __name__ == "__main__":
    trust = ssl.create_default_context(cafile=os.environ["TEST_CA"])
    back = log_in(sys.argv[1], os.environ["TEST_NAME"], os.environ["TEST_PASSWORD"], trust)
    with urllib.request.urlopen(back, timeout=60) as page:
        page.read()
