"""The roles of the system, one package each; the list of them is `listed`, which loads them all."""
