"""Random numbers drawn in blocks."""

import math

import numpy as np

_BLOCK = 1_024


class Draws:
    """One stream of random numbers, for code that needs them one at a time.

    A generator of numpy takes as long for one number as for fifty, so whole blocks are drawn.
    """

    def __init__(self, generator: np.random.Generator) -> None:
        self._generator = generator
        self._uniforms: list[float] = []
        self._normals: list[float] = []

    def uniform(self) -> float:
        """Draw from [0, 1)."""
        if not self._uniforms:
            self._uniforms = self._generator.random(_BLOCK).tolist()
        return self._uniforms.pop()

    def normal(self) -> float:
        """Draw from the standard normal distribution."""
        if not self._normals:
            self._normals = self._generator.standard_normal(_BLOCK).tolist()
        return self._normals.pop()

    def exponential(self, mean: float) -> float:
        """Draw a waiting time."""
        return -mean * math.log(1.0 - self.uniform())

    def lognormal(self, deviation: float) -> float:
        """Draw a positive number with mean 1 and the given deviation of its logarithm."""
        return math.exp(deviation * self.normal() - deviation * deviation / 2)
