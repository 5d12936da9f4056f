"""One classifier per model on the sentence embedding, and a ridge regression of its lengths."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier

from scope_edge.evaluate.baselines.neighbours import embedding
from scope_edge.evaluate.baselines.shrinkage import answer, mean_lengths, mean_scores, tuned
from scope_edge.evaluate.cells import Known, Matrix, Predictions

__all__ = ["logistic_regressions", "perceptrons"]

Array = NDArray[np.float32]
Vector = NDArray[np.float64]
Fit = Callable[[Array, Vector, float], Callable[[Array], Vector] | None]
"""From x, scores and a setting to P of new rows, or nothing where it cannot be fitted."""
CS = (0.3, 1.0, 3.0)
ALPHAS = (0.1, 0.3)
TUNED_MODELS = 16
"""Enough to choose one shared number, spread from the least to the most known model."""
SMEAR_PRIOR = 10.0
"""Train's mean smear counts as that many residuals of val."""
MIN_CLASS = 10
"""A perceptron stops early on a tenth of its rows: these must hold both classes."""


def logistic_regressions(train: Known, val: Known, asked: Known) -> Predictions:
    """Logistic regression per model on MiniLM, C shared and tuned on val.

    A fractional score counts as both answers, weighted by it: the log loss of the fraction itself.
    A model with one class only keeps its mean.
    """
    return _per_model("logistic regression", _logistic, CS, train, val, asked)


def perceptrons(train: Known, val: Known, asked: Known) -> Predictions:
    """A perceptron of one hidden layer of 64 per model on MiniLM, alpha shared and tuned on val.

    A score of more than one half counts as right: MLPClassifier took no weights before
    scikit-learn 1.7. A model with fewer than 10 right or wrong answers keeps its mean.
    """
    return _per_model("MLP", _perceptron, ALPHAS, train, val, asked)


def _per_model(name: str, fit: Fit, settings: tuple[float, ...], train: Known, val: Known, asked: Known) -> Predictions:
    x, val_x, asked_x = (embedding(known, "sentence") for known in (train, val, asked))
    judged = np.argsort((np.isfinite(val.scores) & np.isfinite(train.scores).any(axis=0)).sum(axis=0), kind="stable")
    judged = judged[np.unique(np.linspace(0, len(judged) - 1, TUNED_MODELS).astype(int))]
    setting = tuned(
        settings, lambda setting: _fitted(fit, setting, x, train.scores[:, judged], val_x), val.scores[:, judged]
    )
    p = _fitted(fit, setting, x, train.scores, asked_x)
    return answer(name, len(p), p, *_lengths(train, val, asked))


def _fitted(fit: Fit, setting: float, x: Array, scores: Matrix, asked: Array) -> Matrix:
    p = np.tile(mean_scores(scores), (len(asked), 1))
    for m, known in enumerate(np.isfinite(scores).T):
        predict = fit(x[known], scores[known, m], setting)
        if predict is not None:
            p[:, m] = predict(asked)
    return p


def _logistic(x: Array, y: Vector, c: float) -> Callable[[Array], Vector] | None:
    right, wrong = y > 0, y < 1
    if not right.any() or not wrong.any():
        return None
    model = LogisticRegression(C=c, tol=1e-3, max_iter=300)
    label = np.repeat([1, 0], [right.sum(), wrong.sum()])
    model.fit(np.concatenate([x[right], x[wrong]]), label, np.concatenate([y[right], 1 - y[wrong]]))
    return lambda asked: model.predict_proba(asked)[:, 1].astype(np.float64)


def _perceptron(x: Array, y: Vector, alpha: float) -> Callable[[Array], Vector] | None:
    right = y > 0.5
    if min(right.sum(), (~right).sum()) < MIN_CLASS:
        return None
    model = MLPClassifier(
        64,
        alpha=alpha,
        batch_size=min(64, len(x) // 2),
        learning_rate_init=0.003,
        early_stopping=True,
        n_iter_no_change=4,
        max_iter=40,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the number of epochs is bounded on purpose
        model.fit(x, right)
    return lambda asked: model.predict_proba(asked)[:, 1].astype(np.float64)


def _lengths(train: Known, val: Known, asked: Known) -> tuple[Matrix, Matrix]:
    """Ridge regression of log(1 + tokens), and the mean behind it by smearing.

    E[1 + tokens] = exp(prediction) * mean(exp(residual)) (Duan 1983, JASA 78, the smearing estimate). 384 weights
    fit the residuals of train too closely, so those of val speak first. Predictions stay within the
    lengths that the model was seen at.
    """
    x, val_x, asked_x = (embedding(known, "sentence") for known in (train, val, asked))
    log_tokens, output_tokens = (np.tile(mean, (len(asked_x), 1)) for mean in mean_lengths(train))
    for m, known in enumerate(np.isfinite(train.log_tokens).T):
        if not known.any():
            continue
        y, unseen = train.log_tokens[known, m], np.isfinite(val.log_tokens[:, m])
        ridge = Ridge().fit(x[known], y)
        smear = np.exp(y - ridge.predict(x[known])).mean()
        if unseen.any():
            excess = np.exp(val.log_tokens[unseen, m] - ridge.predict(val_x[unseen]))
            smear = (excess.sum() + SMEAR_PRIOR * smear) / (len(excess) + SMEAR_PRIOR)
        log_tokens[:, m] = np.clip(ridge.predict(asked_x), y.min(), y.max())
        output_tokens[:, m] = np.maximum(np.exp(log_tokens[:, m]) * smear - 1, 0.0)
    return log_tokens, output_tokens
