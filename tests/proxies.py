"""A proxy that runs in a thread, for tests to ask."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from upstreams import FakeUpstream

CHEAP, DEAR, STRANGER = "qwen2.5-32b-instruct", "gpt-4o-2024-11-20", "acme/unheard-of"


def toml(*tables: str, **upstreams: FakeUpstream | str) -> str:
    """A configuration: the tables, and an upstream for CHEAP, DEAR and STRANGER, by `cheap=`, `dear=`, `stranger=`."""
    names = {"cheap": CHEAP, "dear": DEAR, "stranger": STRANGER}
    entries = []
    for key, upstream in upstreams.items():
        url = upstream.url if isinstance(upstream, FakeUpstream) else upstream
        prices = "input_usd_per_mtok = 2\noutput_usd_per_mtok = 4\n" if key == "stranger" else ""
        entries.append(f'[[upstream]]\nmodel = "{names[key]}"\nbase_url = "{url}"\ntimeout_s = 0.5\n{prices}')
    return "\n".join([*tables, *entries])


@contextmanager
def proxied(folder: Path, text: str, environ: Mapping[str, str] = {}) -> Iterator[str]:
    """The address of a proxy with this configuration, as clients give it."""
    from scope_edge.serve.choosing import Chooser
    from scope_edge.serve.config import read_config
    from scope_edge.serve.server import listen, new_server

    (folder / "scope.toml").write_text(text, encoding="utf-8")
    config = read_config(folder / "scope.toml", environ)
    chooser = Chooser(config)
    server = new_server(config, chooser)
    with listen("127.0.0.1", 0) as socket:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + 20
        while not server.started:
            assert thread.is_alive()
            assert time.monotonic() < deadline
            time.sleep(0.005)
        try:
            yield f"http://127.0.0.1:{socket.getsockname()[1]}/v1"
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()
