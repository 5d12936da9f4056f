from __future__ import annotations

import numpy as np
from sklearn.metrics import roc_auc_score

from scope_edge import Router
from scope_edge.outcomes import read_table

N_PROMPTS = 300


def test_the_shipped_bundle_beats_the_models_means_on_held_out_prompts(router: Router, real_data):
    table = read_table(real_data)
    column_of = {row.model: index for index, row in enumerate(table.models)}
    names = [name for name in router.models if name in column_of]
    assert len(names) >= 20, f"the shipped bundle has {len(names)} of the table's models: it was built from another"
    columns = [column_of[name] for name in names]

    rows = table.rows("test")
    rows = rows[np.char.startswith(table.sources[rows], "zeroeval-")]
    rows = rows[np.isfinite(table.scores[np.ix_(rows, columns)]).any(axis=1)]
    rows = np.sort(np.random.default_rng(0).choice(rows, N_PROMPTS, replace=False))
    scores = table.scores[np.ix_(rows, columns)]
    known = np.isfinite(scores)
    right = scores[known] > 0.5

    train = table.scores[np.ix_(table.rows("train"), columns)]
    n_outcomes = np.isfinite(train).sum(axis=0)
    means = np.nansum(train, axis=0) / np.maximum(n_outcomes, 1)
    baseline = roc_auc_score(right, np.broadcast_to(means, scores.shape)[known])

    estimates = router.estimate_batch([table.prompts[row] for row in rows], models=names)
    place = [estimates.models.index(name) for name in names]
    ours = roc_auc_score(right, estimates.p_correct[:, place][known])
    assert ours > baseline + 0.05, f"AUROC {ours:.3f} against {baseline:.3f} of the models' means"
