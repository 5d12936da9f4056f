"""Building a bundle from outcomes: anchors, fingerprints, calibration, the dial."""

from scope_edge.build.pipeline import BuildOptions, build

__all__ = ["BuildOptions", "build"]
