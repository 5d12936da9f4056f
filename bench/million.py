"""A bundle of a million anchors: how long it takes to open, what memory it takes, and what a graph is worth.

Run: python bench/million.py FOLDER     # the bundle is made there, in some ten minutes, unless it is there
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from pools import anchors_of, fingerprints_of
from rich.progress import Progress

from scope_edge.bundle import default_bundle, read_bundle, write_bundle
from scope_edge.index import AnchorIndex

N_ANCHORS, N_MODELS = 1_000_000, 20

# Anonymous memory is what a process holds for itself; the rest are pages of files, which it shares and may lose.
ASK = """
import json, sys, time
from dataclasses import replace
from statistics import median
from pools import prompts_of
from scope_edge import Router
import onnxruntime, usearch.index  # in this order

def memory_mb(kind):
    lines = open("/proc/self/status").read().splitlines()
    return round(int(next(line for line in lines if line.startswith(kind)).split()[1]) / 1024)

before = memory_mb("RssAnon")
started = time.perf_counter()
router = Router.load(sys.argv[1], warmup=False)
opened = time.perf_counter() - started
router.route("Prove that the square root of 2 is irrational.")
held = memory_mb("RssAnon") - before
router.warmup()
took = {}
for name, anchors in (("graph", router.estimator.anchors), ("exact", replace(router.estimator.anchors, index=None))):
    z = router.encoder.encode_batch(prompts_of(120, 300))
    times = []
    for encoding in z:
        begun = time.perf_counter()
        anchors.nearest(encoding.z, 80)
        times.append(time.perf_counter() - begun)
    took[name] = median(times) * 1e3
print(json.dumps({"open_s": opened, "held_mb": held, "look_up_ms": took}))
"""


def make(folder: Path) -> None:
    bundle = read_bundle(default_bundle())
    anchors, fingerprints = anchors_of(bundle, N_ANCHORS), fingerprints_of(bundle, N_ANCHORS, N_MODELS)
    with Progress() as bars:
        task = bars.add_task("index anchors", total=N_ANCHORS)
        index = AnchorIndex.build(anchors.codes, lambda n: bars.advance(task, n))
    write_bundle(
        folder,
        config=bundle.config,
        encoder=bundle.path,
        fingerprints=fingerprints.tensors(),
        models=[card.to_json() for card in fingerprints.cards],
        anchors=anchors.tensors(),
        anchor_labels=anchors.labels(),
        index=index,
    )


def main(folder: Path) -> None:
    if not folder.exists():
        make(folder)
    size_mb = sum(file.stat().st_size for file in folder.iterdir()) / 2**20
    run = subprocess.run(
        [sys.executable, "-c", ASK, str(folder)], check=True, capture_output=True, text=True, cwd=Path(__file__).parent
    )
    print(json.dumps({"bundle_mb": round(size_mb), **json.loads(run.stdout)}, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
