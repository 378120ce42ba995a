"""A page of HTML that needs nothing else, readable in light, dark and print, and the pieces it is made of.

Whatever a piece is given is escaped, but for what other pieces made.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

STYLE = """
:root{color-scheme:light dark;--ink:#1d2128;--paper:#fff;--soft:#5c6470;--grid:#d9dde3;--good:#1f7a4d;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--ink:#e7e9ed;--paper:#15181d;--soft:#a0a7b3;--grid:#363c46;--good:#58c893;
--bad:#ff8a80}}
@media print{:root{--ink:#000;--paper:#fff;--soft:#444;--grid:#ccc;--good:#1f7a4d;--bad:#b3261e}
figure,table,section{break-inside:avoid}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:54rem;margin:2rem auto;
padding:0 1rem}
h1{font-size:1.7rem;margin-bottom:.2rem}h2{font-size:1.2rem;margin:2.2rem 0 .4rem}p{margin:.5rem 0}
.soft,figcaption{color:var(--soft);font-size:.9rem}.good{color:var(--good)}.bad{color:var(--bad)}
figure{margin:1rem 0}svg{width:100%;height:auto;color:var(--ink)}
table{border-collapse:collapse;width:100%;font-size:.92rem;margin:.6rem 0}
th,td{text-align:left;padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--grid);vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
.lead{display:grid;grid-template-columns:repeat(auto-fit,minmax(12rem,1fr));gap:.8rem;margin:1.2rem 0}
.lead div{border:1px solid var(--grid);border-radius:.4rem;padding:.7rem .9rem}.lead b{display:block;font-size:1.5rem}
"""


def page(title: str, sections: Iterable[str]) -> str:
    """The whole document."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>\n"
        + "\n".join(sections)
        + "\n</body></html>\n"
    )


def section(title: str, *parts: str) -> str:
    """`parts` are HTML."""
    return f"<section><h2>{escape(title)}</h2>{''.join(parts)}</section>"


def figure(svg: str, caption: str) -> str:
    """`svg` as `figures` draws it."""
    return f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>"


def prose(text: str) -> str:
    """Paragraphs are parted by empty lines; how lines are broken and indented does not matter."""
    return "".join(f"<p>{escape(' '.join(part.split()))}</p>" for part in text.split("\n\n"))


def table(head: Sequence[str], rows: Iterable[tuple[str, ...]], numbers: set[int]) -> str:
    """`numbers`: which columns are set flush right."""
    classes = ["" if column not in numbers else " class=n" for column in range(len(head))]
    heading = "".join(f"<th{kind}>{escape(cell)}</th>" for kind, cell in zip(classes, head, strict=True))
    lines = ["".join(f"<td{kind}>{escape(cell)}</td>" for kind, cell in zip(classes, row, strict=True)) for row in rows]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><thead><tr>{heading}</tr></thead><tbody>{body}</tbody></table>"
