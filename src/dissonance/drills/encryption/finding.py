"""Where canaries were found: by channel, place and form, and how much was looked through."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from dissonance.drills.encryption.canaries import Form
from dissonance.drills.encryption.search import Searcher
from dissonance.drills.encryption.unpacking import layers


class Finds:
    """`places`: of each channel, by where and in which form, how often."""

    def __init__(self, forms: Mapping[bytes, Form]) -> None:
        self._forms = forms
        self.searcher = Searcher(forms)
        self.places: dict[str, Counter[tuple[str, str]]] = {}
        self.files = 0
        self.bytes = 0

    @property
    def channels(self) -> set[str]:
        return set(self.places)

    def note(self, where: str, found: Mapping[bytes, int]) -> None:
        for pattern, times in found.items():
            form = self._forms[pattern]
            self.places.setdefault(form.channel, Counter())[where, form.form] += times

    def search_blocks(self, where: str, blocks: Iterable[bytes]) -> None:
        """One stream."""
        stream, found = self.searcher.stream(), Counter[bytes]()
        for block in blocks:
            found.update(stream.feed(block))
            self.bytes += len(block)
        self.note(where, found)

    def search_file(self, where: str, path: Path) -> None:
        """Raises `OSError`: a file that cannot be read was not searched."""
        for layer in layers(path):
            self.search_blocks(where, layer)
        self.search_blocks(f"{where} (name)", [os.fsencode(path.name)])
        self.files += 1

    def search_folder(self, root: Path, folder: Path) -> None:
        """Every regular file beneath, or the one that it is; places are told from `root` on. Raises `OSError`."""
        for path in files_of(folder):
            # Others may remove what is theirs meanwhile, in a folder that is shared.
            with suppress(FileNotFoundError):
                self.search_file(str(path.relative_to(root)), path)


def files_of(folder: Path) -> Iterator[Path]:
    """No links and no sockets: what they lead to is elsewhere, or nothing that rests."""
    found = (Path(above, name) for above, _, names in os.walk(folder, onerror=_raise) for name in sorted(names))
    yield from (path for path in (folder, *found) if path.is_file() and not path.is_symlink())


def _raise(error: OSError) -> None:
    """A folder that cannot be read was not searched; of a file, or of what is gone, there is nothing to list."""
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error
