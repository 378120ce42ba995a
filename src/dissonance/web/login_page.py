"""The page that people log in at: one form, no script, nothing from elsewhere.

Its policy (CSP level 3) lets it be styled by its own style sheet, send its form here, and go on to where the login
leads, which browsers hold to be a part of sending the form.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from html import escape
from urllib.parse import urlsplit

from starlette.responses import HTMLResponse

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:26rem;margin:12vh auto;padding:0 1rem;color:#1a1a2e}"
    "label{display:block;margin:.8rem 0 .2rem}input{width:100%;box-sizing:border-box;padding:.5rem;font:inherit}"
    "button{margin:1.2rem .6rem 0 0;padding:.5rem 1.2rem;font:inherit}ul{padding-left:1.2rem}"
    ".wrong{color:#a4161a;font-weight:600}"
)
_STYLE_HASH = b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>{style}</style></head>
<body><h1>{title}</h1>{content}</body></html>
"""
_FORM = """{wrong}<p><b>{client}</b> asks to act for you, with {scope}.
It leads back to <b>{place}</b>.</p>
<form method="post" action="?{query}" autocomplete="on">
<input type="hidden" name="form" value="{proof}">
<label for="name">Name</label>
<input id="name" name="name" autocomplete="username" autocapitalize="none" maxlength="32" autofocus value="{name}">
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" maxlength="256">
<button name="answer" value="log-in">Log in</button><button name="answer" value="cancel">Cancel</button>
</form>"""


def login_page(
    *,
    client: str,
    scope: tuple[str, ...],
    redirect: str,
    query: str,
    proof: str,
    name: str = "",
    wrong: str = "",
    status: int = 200,
) -> HTMLResponse:
    """`query`: of the address it is shown at, to which the form goes back. `wrong`: what was, in the attempt before."""
    place = urlsplit(redirect)
    content = _FORM.format(
        wrong=f'<p class="wrong" role="alert">{escape(wrong)}</p>' if wrong else "",
        client=escape(client),
        scope=f"<ul>{''.join(f'<li>{escape(each)}</li>' for each in scope)}</ul>" if scope else "all that you may do",
        place=escape(place.netloc),
        query=escape(query, quote=True),
        proof=escape(proof, quote=True),
        name=escape(name, quote=True),
    )
    return _page("Log in to Dissonance", content, status, f"'self' {place.scheme}://{place.netloc}")


def refusal_page(what: str, status: int) -> HTMLResponse:
    """Nothing can be done here; the browser is not sent on, since nobody knows where that would lead."""
    return _page("This login cannot go on", f"<p>{escape(what)}</p>", status, "'none'")


def _page(title: str, content: str, status: int, form_action: str) -> HTMLResponse:
    policy = (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action {form_action}; "
        "frame-ancestors 'none'; base-uri 'none'"
    )
    text = _PAGE.format(title=title, style=STYLE, content=content)
    # nosemgrep: page-past-the-pieces - every piece is escaped where it is put in
    return HTMLResponse(text, status, headers={"content-security-policy": policy})
