"""The card of a bundle: a README.md in the form of a Hugging Face model card."""

from __future__ import annotations

import json
from typing import Any

from scope_edge.anchors import AnchorSet
from scope_edge.fingerprints import Fingerprints

__all__ = ["model_card"]


def model_card(config: dict[str, Any], fingerprints: Fingerprints, anchors: AnchorSet) -> str:
    """Describe a bundle from its own contents; every figure comes from its config."""
    build, encoder = config["build"], config["encoder"]
    counted = {name: anchors.sources.count(name) for name in sorted(set(anchors.sources))}
    sources = "\n".join(f"| {name or '(none)'} | {n} |" for name, n in counted.items())
    figures = "\n".join(f"| {name} | {value} |" for name, value in build["val"].items())
    borrowed = [card.model for card in fingerprints.cards if card.length_source == "prior"]
    training = json.dumps(encoder.get("training", {}), indent=1)
    return f"""---
library_name: scope-edge
license: apache-2.0
tags: [llm-routing, model-selection, cost-estimation]
---

# A scope-edge bundle

Predicts, before the call, how accurate and how expensive each of {len(fingerprints.cards)} models is on a
prompt. Built on {build["date"]} from {build["n_train"]} prompts; {build["n_anchors"]} of them are anchors,
chosen by {build["method"]} (seed {build["seed"]}).

```python
from scope_edge import Router

router = Router.load("PATH/OF/THIS/FOLDER")
print(router.route("Prove that the square root of 2 is irrational.").model)
```

## Anchors by source

The text of the anchors is not part of the bundle: only ids, sources, categories and embeddings are.

| source | anchors |
|---|---|
{sources}

## Validation figures of the build

In-sample for calibration and look-up settings, which were tuned on the same prompts; see the
project's README for figures on held-out prompts.

| figure | value |
|---|---|
{figures}

## Lengths that are not the model's own

{", ".join(borrowed) if borrowed else "None."}

## Encoder

```json
{training}
```
"""
