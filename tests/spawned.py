"""What a process that was spawned does: a module of its own, for it is imported there."""

from __future__ import annotations


def decide(prompt: str) -> str:
    from scope_edge import Router

    return Router.load().route(prompt).model
