"""`python -m dissonance` is `dissonance`."""

from dissonance.cli import main

main()
