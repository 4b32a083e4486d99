"""Tests of fit whose false-alarm rates can be added up.

`assert_no_alarm` compares p-values with a budget divided among them (Bonferroni): if all distributions are as stated,
the chance of an alarm over all keys is at most the budget. The chi-square approximation errs in its tail where few are
expected, so rare categories are pooled until 50 are.
"""

import numpy as np
from scipy import stats

FEWEST = 50


def chi_square(counts, probabilities):
    """Return Pearson's p-value of counts `[c]`; what is impossible must not have happened."""
    counts, expected = np.asarray(counts, float), np.asarray(probabilities, float) * np.sum(counts)
    assert np.isclose(np.sum(probabilities), 1)
    assert (counts[expected == 0] == 0).all()
    order = np.argsort(expected)
    counts, expected = counts[order], expected[order]
    rare = max(int(np.searchsorted(expected, FEWEST)), int(np.searchsorted(np.cumsum(expected), FEWEST)) + 1)
    counts = np.append(counts[rare:], counts[:rare].sum())
    expected = np.append(expected[rare:], expected[:rare].sum())
    statistic = np.sum((counts - expected) ** 2 / expected)
    return stats.chi2.sf(statistic, len(counts) - 1) if len(counts) > 1 else 1.0


def assert_no_alarm(p_values, budget):
    p_values = np.ravel(p_values)
    assert len(p_values)
    assert np.min(p_values) > budget / len(p_values), f"{np.min(p_values):.2g} among {len(p_values)} p-values"


def softmax(logits):
    """The judge: numpy, float64."""
    logits = np.asarray(logits, float)
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)
