"""Listening: what must hold before the proxy does, and uvicorn."""

from __future__ import annotations

import gc
import os
import socket
from collections.abc import Callable
from typing import Any

import uvicorn

from scope_edge.errors import ConfigError, UsageError
from scope_edge.serve.app import create_app, is_loopback
from scope_edge.serve.choosing import Chooser
from scope_edge.serve.config import Config

__all__ = ["check_host", "listen", "new_server", "serve"]

_PATIENCE_S = 10  # that answers under way have when the server is told to stop


def check_host(config: Config, host: str) -> None:
    """Refuse to be reached from elsewhere without a key.

    Raises
    ------
    ConfigError
    """
    if config.api_key is None and not is_loopback(host):
        raise ConfigError(
            f"{host} can be reached from other machines, and the proxy has no key",
            expected="api_key_env in [server], or a host of this machine",
            remedy="Whoever reaches the proxy spends your money.",
        )


def serve(config: Config, chooser: Chooser, host: str, port: int, on_ready: Callable[[str], Any]) -> None:
    """Listen until the process is told to stop; calls `on_ready` with the address when clients can connect.

    Raises
    ------
    ConfigError, UsageError
        The address may not or cannot be used.
    """
    check_host(config, host)  # the command has asked before it loaded anything; others may not
    listening = listen(host, port)
    chooser.router.warmup()
    # What is there now stays, the compiler's hundred thousand objects among it: to look through them for garbage again
    # and again would stop all calls for some 50 ms each time.
    gc.collect()
    gc.freeze()
    listening.listen(1024)
    on_ready(f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}")
    new_server(config, chooser).run(sockets=[listening])


def new_server(config: Config, chooser: Chooser) -> uvicorn.Server:
    """The server, for a socket that is bound already."""
    # asyncio's own loop: uvloop was not faster beyond the noise.
    return uvicorn.Server(
        uvicorn.Config(
            create_app(config, chooser), access_log=False, log_level="warning", server_header=False,
            proxy_headers=False, timeout_graceful_shutdown=_PATIENCE_S, lifespan="on", loop="asyncio",
        )
    )  # fmt: skip


def listen(host: str, port: int) -> socket.socket:
    """A socket that is bound, and refuses connections until it listens."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is said, for asyncio sends small packets at once only on sockets that say it: else each answer
    # would wait for the client's delayed acknowledgement, some 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere it would let two processes share the port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        why = error.strerror or str(error)
        raise UsageError(f"Cannot listen on {host}:{port}", got=why, remedy="Choose another --port.") from None
    return listening
