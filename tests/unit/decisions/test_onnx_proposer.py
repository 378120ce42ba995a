"""An ONNX file answers as its graph says, alike every time, or is refused by name."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from dissonance.decisions.onnx_proposer import OnnxProposer
from dissonance.errors import ModelRefused, ModelUnsupported
from support.distributions import labelled_rows
from support.onnx_files import linear_classifier

WEIGHTS, BIAS = np.array([[-0.5, 0.5], [0.1, -0.1], [-0.3, 0.3]]), [0.25, -0.25]
GOOD = linear_classifier(WEIGHTS, BIAS)
FEATURES, _ = labelled_rows(200, 3)


def test_it_answers_what_its_graph_says_alike_every_time() -> None:
    proposer = OnnxProposer.from_bytes(GOOD, 2)
    p = proposer.probabilities(FEATURES)
    np.testing.assert_allclose(p, softmax(np.nan_to_num(FEATURES) @ WEIGHTS + BIAS, axis=1), atol=1e-6)
    np.testing.assert_allclose(p.sum(axis=1), 1.0, atol=1e-12)
    np.testing.assert_array_equal(p, OnnxProposer.from_bytes(GOOD, 2).probabilities(FEATURES))
    assert proposer.probabilities(FEATURES[:0]).shape == (0, 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no ONNX file"),
        (b"tree\nversion=v4", "no ONNX file"),
        (GOOD[:-4], "no ONNX file"),
        (linear_classifier(WEIGHTS, BIAS, external=True), "in another file"),
        (linear_classifier(np.ones((3, 3)), [0.0] * 3), "0 of its outputs are a matrix with 2 columns"),
    ],
)
def test_a_file_that_cannot_be_a_proposer_here_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(ModelUnsupported, match=message):
        OnnxProposer.from_bytes(content, 2)


def test_rows_of_other_columns_and_answers_that_are_no_probabilities_are_refused() -> None:
    with pytest.raises(ModelRefused, match="rows of 5 columns"):
        OnnxProposer.from_bytes(GOOD, 2).probabilities(np.ones((2, 5)))
    with pytest.raises(ModelRefused, match="no probabilities"):
        OnnxProposer.from_bytes(GOOD, 2).probabilities(np.full((1, 3), np.inf))
