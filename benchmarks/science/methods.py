"""Every way to tell accuracy without labels that is measured, by name. One more is one more line."""

from __future__ import annotations

from science.estimate import Method, one_by_one
from science.peers.atc import atc
from science.peers.cbpe import cbpe
from science.peers.doc import doc
from science.peers.importance import importance_weighting
from science.peers.naive import naive
from science.peers.pape import pape
from science.peers.shift import classifier_two_sample, each_feature
from science.sceptics import (
    devils_advocate,
    extrapolated,
    null_of_the_alarm,
    sceptic,
    unsigned,
    with_attributions,
    without_critic,
    without_weights,
)

CBPE = "CBPE (NannyML)"
PAPE = "PAPE"
SCEPTIC = "sceptic"

METHODS: dict[str, Method] = {
    SCEPTIC: one_by_one(sceptic),
    "sceptic, also without overlap": one_by_one(extrapolated),
    "sceptic without weights": one_by_one(without_weights),
    "sceptic, unsigned": one_by_one(unsigned),
    "sceptic with TreeSHAP": one_by_one(with_attributions),
    "Dis², linear": one_by_one(devils_advocate),
    "no critic": one_by_one(without_critic),
    "harm test at margin 0": one_by_one(null_of_the_alarm),
    CBPE: cbpe,
    PAPE: one_by_one(pape),
    "importance weighting": one_by_one(importance_weighting),
    "DoC": one_by_one(doc),
    "ATC": one_by_one(atc),
    "naive": one_by_one(naive),
    "KS, chi² with Bonferroni": one_by_one(each_feature),
    "classifier two-sample test": one_by_one(classifier_two_sample),
}
"""CBPE is left out where NannyML's environment is not there."""
