"""From the files of a bundle to what answers queries; each section of the config is checked where it is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scope_edge.anchors import AnchorSet
from scope_edge.bundle import Bundle, encoder_hash
from scope_edge.candidates import USUAL_COST_BIAS
from scope_edge.cards import ModelCard
from scope_edge.dial import Dial
from scope_edge.encoder import Encoder
from scope_edge.errors import BundleError
from scope_edge.estimator import Estimator, LookupSettings
from scope_edge.fingerprints import Fingerprints, Reach
from scope_edge.ranges import number_within

__all__ = ["load_parts"]

_SECTIONS = ("encoder", "lookup", "reach", "alpha", "novelty")


def load_parts(bundle: Bundle) -> tuple[Encoder, Estimator]:
    """The encoder of a bundle, and the estimator of its pool.

    Raises
    ------
    BundleError
        It is an encoder alone, or holds something that means nothing.
    """
    if not bundle.anchors or not bundle.models:
        raise BundleError(
            f"The bundle {bundle.path} holds an encoder but no models",
            remedy="Make a full one: scope-edge build --outcomes DIR --encoder BUNDLE --out NEW",
        )
    for section in _SECTIONS:
        if section not in bundle.config:
            raise BundleError(f"{bundle.path / 'config.json'} is incomplete", got=f"no {section!r}")
    of_encoder, lookup, reach, alpha, novelty = (bundle.config[section] for section in _SECTIONS)
    encoder = Encoder(bundle.path, of_encoder)
    if not bundle.is_current() and encoder_hash(bundle.path) != of_encoder.get("hash"):
        raise BundleError(f"The bundle {bundle.path} was replaced while it was read", remedy="Load it again.")
    anchors = AnchorSet.from_tensors(bundle.anchors, bundle.anchor_labels, bundle.index_file)
    prints = Fingerprints.from_tensors(bundle.fingerprints, [ModelCard.from_json(entry) for entry in bundle.models])
    ranks = (of_encoder["rank"], anchors.rank, prints.theta_mean.shape[1])
    if len(set(ranks)) > 1:
        raise BundleError(f"The rank of encoder, anchors and fingerprints differs in {bundle.path}", got=repr(ranks))
    estimator = Estimator(
        anchors,
        prints,
        LookupSettings.from_json(lookup),
        Reach.from_json(reach),
        _novelty_quantiles(novelty),
        Dial.from_json(alpha),
        _cost_bias(bundle.config),
    )
    return encoder, estimator


def _novelty_quantiles(novelty: Any) -> list[float]:
    """Mean cosines to the nearest anchors, rising."""
    try:
        quantiles = [number_within(value, -2, 2) for value in novelty["quantiles"]]
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError("config.json has no valid novelty", got=str(error)) from None
    if len(quantiles) < 2 or quantiles != sorted(quantiles):
        raise BundleError("config.json has no valid novelty", expected="quantiles that rise", got=repr(quantiles[:5]))
    return quantiles


def _cost_bias(config: Mapping[str, Any]) -> float:
    """What the bundle measured of it, if it did."""
    try:
        return number_within(config.get("cost_bias", USUAL_COST_BIAS), 0, 10)
    except ValueError as error:
        raise BundleError("config.json has no valid cost_bias", got=str(error)) from None
