"""The inverse normal over an array is the one of the standard library."""

import numpy as np

from virtuoso.indicators.normal import normal_score
from virtuoso.indicators.normal_scores import normal_scores


def test_every_score_has_the_z_that_the_scalar_function_gives() -> None:
    """Equal to 1e-14 from 0 to 100, clipped at 1 and 99 alike."""
    scores = np.concatenate((np.linspace(0.0, 100.0, 20_001), [50.0, 1.0, 99.0, 7.5, 92.5]))
    expected = [normal_score(score) for score in scores.tolist()]
    np.testing.assert_allclose(normal_scores(scores), expected, rtol=1e-14, atol=1e-15)


def test_no_score_has_no_z() -> None:
    """NaN stays NaN and touches nothing beside it."""
    found = normal_scores(np.array([np.nan, 50.0, np.nan]))
    assert np.isnan(found[[0, 2]]).all()
    assert found[1] == 0.0
