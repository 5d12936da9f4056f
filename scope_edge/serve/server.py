"""Listening: what must hold before the proxy does, and uvicorn."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from typing import Any

import uvicorn

from scope_edge.errors import ConfigError, UsageError
from scope_edge.serve.app import create_app
from scope_edge.serve.choosing import Chooser
from scope_edge.serve.config import Config

__all__ = ["check_host", "serve"]


def check_host(config: Config, host: str) -> None:
    """Refuse to be reached from elsewhere without a key.

    Raises
    ------
    ConfigError
    """
    if config.api_key is None and not _is_loopback(host):
        raise ConfigError(
            f"{host} can be reached from other machines, and the proxy has no key",
            expected="api_key_env in [server], or a host of this machine",
            remedy="Whoever reaches the proxy spends your money.",
        )


def serve(config: Config, chooser: Chooser, host: str, port: int, on_ready: Callable[[str], Any]) -> None:
    """Listen until the process is told to stop; calls `on_ready` with the address first.

    Raises
    ------
    ConfigError, UsageError
        The address may not or cannot be used.
    """
    check_host(config, host)
    chooser.router.warmup()
    settings = uvicorn.Config(
        create_app(config, chooser), host=host, port=port, access_log=False, log_level="warning",
        server_header=False, timeout_graceful_shutdown=10, lifespan="on",
    )  # fmt: skip
    listening = _listen(host, port)
    on_ready(f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}")
    uvicorn.Server(settings).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        why = error.strerror or str(error)
        raise UsageError(f"Cannot listen on {host}:{port}", got=why, remedy="Choose another --port.") from None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
