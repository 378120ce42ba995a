"""Tables that break no word which fits on a line, however narrow the terminal is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Column, Table

WITHOUT_END = 100_000
"""Columns of a terminal on which nothing is wrapped."""

LEAN: dict[str, Any] = {"box": box.SIMPLE_HEAD, "padding": (0, 1, 0, 0), "show_edge": False, "pad_edge": False}
"""How a table looks that has no room for borders."""


class FittingTable(Table):
    """A table whose columns are as wide as their longest word or wider, whatever stands beside them.

    Where there is no room for that, borders go first; then each row stands by itself, a line for each of its cells.
    """

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wanted = [_wanted(console, options, column) for column in self.columns]
        gaps = len(self.columns) - 1
        for looks, around in (({}, 3 * gaps + 4), (LEAN, 2 * gaps)):
            widths = shared_out(wanted, options.max_width - around)
            if widths:
                yield self._across(widths, looks)
                return
        yield self._down()

    def _across(self, widths: Sequence[int], looks: dict[str, Any]) -> Table:
        table = Table(title=self.title, caption=self.caption, show_header=self.show_header, **looks)
        for column, width in zip(self.columns, widths, strict=True):
            table.add_column(column.header, style=column.style, justify=column.justify, overflow="fold", width=width)
        for cells, style in self._lines():
            table.add_row(*cells, style=style)
        return table

    def _down(self) -> Table:
        """Cells that are empty are left out."""
        table = Table(title=self.title, caption=self.caption, show_header=False)
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for cells, style in self._lines():
            shown = [(column.header, cell) for column, cell in zip(self.columns, cells, strict=True) if cell != ""]
            for number, (heading, cell) in enumerate(shown, start=1):
                table.add_row(heading, cell, style=style, end_section=number == len(shown))
        return table

    def _lines(self) -> Iterator[tuple[tuple[RenderableType, ...], Any]]:
        """Cells of each row, and its style."""
        cells = zip(*(column.cells for column in self.columns), strict=True)
        return zip(cells, (row.style for row in self.rows), strict=True)


def _wanted(console: Console, options: ConsoleOptions, column: Column) -> Measurement:
    """The longest word of a column, and its longest line."""
    wide = options.update_width(WITHOUT_END)
    measured = [Measurement.get(console, wide, cell) for cell in (column.header, *column.cells)]
    return Measurement(max(each.minimum for each in measured), max(each.maximum for each in measured))


def shared_out(wanted: Sequence[Measurement], room: int) -> list[int]:
    """Every column its least, and what is left to those that want more, evenly; nothing when that is too much.

    >>> shared_out([Measurement(4, 4), Measurement(3, 9), Measurement(5, 80)], 24)
    [4, 9, 11]
    >>> shared_out([Measurement(9, 9), Measurement(9, 9)], 17)
    []
    """
    widths = [each.minimum for each in wanted]
    left = room - sum(widths)
    if left < 0:
        return []
    by_need = sorted(range(len(wanted)), key=lambda index: wanted[index].maximum - widths[index])
    for place, index in enumerate(by_need):
        given = min(wanted[index].maximum - widths[index], left // (len(wanted) - place))
        widths[index] += given
        left -= given
    return widths
