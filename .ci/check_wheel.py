"""Fail unless the wheel holds the kernels and the shipped bundle, whole, and nothing needs torch."""

import json
import sys
import zipfile

BUNDLE = "scope_edge/models/default/"


def main(path: str) -> None:
    """Check one wheel."""
    with zipfile.ZipFile(path) as wheel:
        names = set(wheel.namelist())
        for kernel in ("ability", "choose", "plain", "text", "topk", "weigh"):
            assert f"scope_edge/kernels/{kernel}.py" in names, f"no kernel {kernel}"
        assert "scope_edge/py.typed" in names, "no py.typed"
        files = json.loads(wheel.read(f"{BUNDLE}manifest.json"))["files"]
        missing = [name for name in files if BUNDLE + name not in names]
        assert not missing, f"the bundle lacks {missing}"
        metadata = next(wheel.read(name).decode() for name in names if name.endswith(".dist-info/METADATA"))
    core = [line for line in metadata.splitlines() if line.startswith("Requires-Dist:") and "extra ==" not in line]
    heavy = [line for line in core if any(word in line for word in ("torch", "transformers", "optimum"))]
    assert core, "the wheel requires nothing"
    assert not heavy, f"the core installs {heavy}"
    print(f"{path}: {len(names)} files, {len(files)} of them the bundle's; core requirements: {len(core)}")


if __name__ == "__main__":
    main(sys.argv[1])
