"""The arrays of a bundle as they lie in their file."""

import numpy as np
import pytest
from safetensors.numpy import load

from scope_edge import mapping
from scope_edge.tensors import map_tensors, tensor_bytes


@pytest.mark.parametrize("mapped_from", [0, 2**20])
@pytest.mark.parametrize("n", [1, 3, 32, 57])
def test_what_is_written_is_what_may_map_and_what_the_library_reads(n, mapped_from, tmp_path, monkeypatch):
    monkeypatch.setattr(mapping, "_MAPPED_FROM", mapped_from)
    rng = np.random.default_rng(n)
    tensors = {
        "scales": rng.normal(size=n).astype(np.float32),
        "half": rng.normal(size=(n, 3)).astype(np.float16),
        "ids": rng.integers(0, 256, 5 * n).astype(np.uint8),
        "codes": rng.integers(-127, 128, (n, 64)).astype(np.int8),
    }
    file = tmp_path / "some.safetensors"
    file.write_bytes(tensor_bytes(tensors, {"of": "a test"}, first="codes"))
    mapped, metadata = map_tensors(file)
    assert metadata == {"of": "a test"}
    for found in (mapped, load(file.read_bytes())):
        for name, tensor in tensors.items():
            assert found[name].dtype == tensor.dtype
            np.testing.assert_array_equal(found[name], tensor)
    assert mapped["codes"].ctypes.data % 64 == 0
    assert all(tensor.ctypes.data % tensor.itemsize == 0 for tensor in mapped.values())
    assert not any(tensor.flags.writeable for tensor in mapped.values())
