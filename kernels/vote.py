"""The neighbours' vote: how a model's results near the prompt differ from what was predicted."""

from numba import njit

__all__ = ["vote_residuals"]


@njit(cache=True, nogil=True)
def vote_residuals(indices, weights, residuals, information, shrinkage, offsets, evidence):
    """Write each model's local offset and the evidence behind it.

    indices (k,) int32 anchors; weights (k,) int32; residuals, information (N, M) int16, both zero
    where the model has no result on the anchor; shrinkage float64; offsets, evidence (M,) float64
    are overwritten:

        evidence_m = sum_i w_i v_im        offset_m = sum_i w_i r_im / (evidence_m + shrinkage)

    the posterior mean of an offset that is zero a priori. All sums are of integers, hence exact and
    independent of their order. Needs shrinkage > 0.
    """
    n_models = residuals.shape[1]
    for model in range(n_models):
        offsets[model] = 0.0
        evidence[model] = 0.0
    for place in range(len(indices)):
        row = indices[place]
        weight = float(weights[place])
        for model in range(n_models):
            offsets[model] += weight * float(residuals[row, model])
            evidence[model] += weight * float(information[row, model])
    for model in range(n_models):
        offsets[model] /= evidence[model] + shrinkage
