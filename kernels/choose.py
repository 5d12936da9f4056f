"""The best trade of accuracy for cost."""

import numpy as np
from numba import njit

__all__ = ["choose_best"]


@njit(cache=True, nogil=True)
def choose_best(figures, value, order, best):
    """Write, for each prompt, the model with the highest value * P - cost; for an infinite value, the highest P.

    figures (n, R, M) float32, of which the first row is P and the last the cost; value float, 0 or more;
    order (M,) int32 rises with the models' names; best (n,) int64 is overwritten. Of equal trades the
    cheaper one is taken, then the more accurate one, then the one that comes first by name.
    """
    for prompt in range(len(figures)):
        p, cost = figures[prompt, 0], figures[prompt, -1]
        chosen, highest = 0, -np.inf
        for m in range(len(p)):
            worth = float(p[m]) if value == np.inf else float(p[m]) * value - float(cost[m])
            better = worth > highest
            if worth == highest:
                if cost[m] != cost[chosen]:
                    better = cost[m] < cost[chosen]
                elif p[m] != p[chosen]:
                    better = p[m] > p[chosen]
                else:
                    better = order[m] < order[chosen]
            if better:
                chosen, highest = m, worth
        best[prompt] = chosen
