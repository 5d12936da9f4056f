"""What a question will cost, before it is asked."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scope_edge.fingerprints import Fingerprint, Population, fit_fingerprint
from scope_edge.joining import Places
from scope_edge.pricing import Price

__all__ = ["Forecast"]

INPUT_MARGIN = 1.3
"""The most that a tokenizer is expected to make of a prompt, beside the typical one."""

Float = NDArray[np.float64]


class Forecast:
    """Costs of questions for a model of which some lengths may be known; as those of an estimate."""

    def __init__(self, places: Places, population: Population, price: Price) -> None:
        self._places, self._population, self._price = places, population, price

    def expected_usd(self) -> Float:
        """What each question costs on average a model of which nothing is known, (n,)."""
        return self._usd(self._log_mean(self._fit(np.full(len(self._places.b), np.nan))), 1.0)

    def at_most_usd(self, output_tokens: Float) -> Float:
        """What each question costs nine times in ten, (n,); output_tokens (n,) of those answered, NaN elsewhere.

        Never less than on average: few long answers can make the mean longer than most are.
        """
        part = self._fit(output_tokens)
        high = self._centre(part) + part.length_quantiles[2] * np.sqrt(self._places.noise)
        return self._usd(np.maximum(high, self._log_mean(part)), INPUT_MARGIN)

    def _fit(self, output_tokens: Float) -> Fingerprint:
        rows = np.flatnonzero(np.isfinite(output_tokens))
        # Only lengths are asked for: the scores do not matter.
        evidence = self._places.evidence(np.full(len(rows), 0.5), np.log1p(output_tokens[rows]), rows)
        return fit_fingerprint(evidence, self._population, 1.0)

    def _centre(self, part: Fingerprint) -> Float:
        centre: Float = self._places.c @ part.psi_mean + self._places.d
        return centre

    def _log_mean(self, part: Fingerprint) -> Float:
        mean: Float = self._centre(part) + np.log(max(part.smear, 1e-6)) * self._places.noise
        return mean

    def _usd(self, log_tokens: Float, margin: float) -> Float:
        given = self._places.n_tokens * margin * self._price.input_usd_per_mtok
        usd: Float = (given + np.expm1(np.clip(log_tokens, 0, 13)) * self._price.output_usd_per_mtok) / 1e6
        return usd
