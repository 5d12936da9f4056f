"""Where lengths are hard to predict: the scatter of models' lengths on every anchor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scope_edge.anchors import AnchorSet
from scope_edge.fingerprints import Fingerprints, decode_lengths

__all__ = ["length_noise"]


def length_noise(anchors: AnchorSet, fingerprints: Fingerprints) -> NDArray[np.float16]:
    """The mean over models of (log(1 + tokens) - prediction)^2, (n_anchors,), NaN where no length is known.

    What a model's latents predict is compared with what was counted. The mean over models tells prompts apart on
    which every model's length is a matter of luck, such as long proofs, from those where it hardly varies.
    """
    expected = anchors.c.astype(np.float64) @ fingerprints.psi_mean.T.astype(np.float64) + anchors.d[:, None]
    squares = np.clip(decode_lengths(fingerprints.log_tokens) - expected, -6, 6) ** 2
    n_known = np.isfinite(squares).sum(axis=1)
    mean = np.nansum(squares, axis=1) / np.maximum(n_known, 1)
    return np.where(n_known > 0, mean, np.nan).astype(np.float16)
