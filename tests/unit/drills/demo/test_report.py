"""The report: whole, self-contained, escaped."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from dissonance.drills.demo.charts import accuracy_chart
from dissonance.drills.demo.report import render_report
from dissonance.drills.figures import GRID, INK
from support.demo import accounting, demo_result

VOID = {"meta", "path", "use", "rect", "line", "circle", "br"}
FETCHING = {"script", "link", "iframe", "img", "image", "object", "embed", "base", "video", "audio"}


class Page(HTMLParser):
    """Collects what a browser would fetch, what is left open, the text, and the headings."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.open: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in FETCHING:
            self.fetched.append(tag)
        for name, value in attrs:
            address = (value or "").strip()
            if name in {"src", "href", "xlink:href", "action", "data"} and not address.startswith("#"):
                self.fetched.append(address)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def parsed(html: str) -> Page:
    page = Page()
    page.feed(html)
    page.close()
    return page


@pytest.fixture(scope="module")
def html() -> str:
    return render_report(demo_result())


def test_report_fetches_nothing_from_anywhere(html: str) -> None:
    assert parsed(html).fetched == []
    assert "@import" not in html
    assert re.findall(r"url\((?!#)", html) == []


def test_report_is_well_formed_and_has_a_figure_for_each_part_of_the_story(html: str) -> None:
    assert parsed(html).open == []
    assert html.count("<svg") == 7
    assert html.count("aria-label=") == 7


def test_report_states_the_account_the_comparison_and_what_the_loop_did(html: str) -> None:
    text = " ".join(" ".join(parsed(html).words).split())
    for piece in (
        "40,000",
        "39,000",
        "60.0% → 76.0%",
        "+16.0 (+13.6 to +18.3)",
        "Every event that went in",
        "7,400 labels in three years, of 8,768",
        "10 days after the stretch began",
        "1 update went live by itself. Canaries: 2 ended without going live: versions 5 and 6;",
        "2 versions: 3 (log loss 0.52",
        "version 4 promoted, which had learnt from wrong labels",
        "31 days of event time later",
    ):
        assert piece in text, piece


def test_text_that_is_not_ours_is_escaped(html: str) -> None:
    assert "<b>a cpu" not in html
    assert "&lt;b&gt;a cpu &amp; more&lt;/b&gt;" in html
    for told in ("<i>enough", "<u>0.79", "<penalty>"):
        assert told not in html
        assert told.replace("<", "&lt;").replace(">", "&gt;") in html


def test_report_says_so_when_the_account_does_not_balance() -> None:
    html = render_report(demo_result(account=accounting(missing=3, admitted=38_997)))
    assert "The account does not balance" in html
    assert "Every event that went in" not in html


def test_figures_take_ink_and_grid_from_the_page_and_are_the_same_every_time() -> None:
    svg = accuracy_chart(demo_result())
    assert INK not in svg and GRID not in svg
    assert "currentColor" in svg and "var(--grid)" in svg
    assert svg == accuracy_chart(demo_result())


def test_report_says_so_when_harm_was_not_noticed() -> None:
    assert "That accuracy fell was not noticed." in render_report(demo_result(harm=False))
