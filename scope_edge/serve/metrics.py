"""What the proxy counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

__all__ = ["Metrics"]

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_ROUTING_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.1)


class Metrics:
    """One set for each application. Labels are models of the configuration, statuses and reasons: never free text."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)  # processor time and memory
        self.requests = Counter(
            "scope_requests", "Chat requests, by status; 499: the client left", ["status"], registry=registry
        )
        self.calls = Counter("scope_calls", "Calls that were answered, by model", ["model"], registry=registry)
        self.failures = Counter(
            "scope_upstream_failures", "Calls that failed, by model and reason", ["model", "reason"], registry=registry
        )
        self.tokens = Counter("scope_tokens", "Tokens, by model and kind", ["model", "kind"], registry=registry)
        self.cost_usd = Counter("scope_cost_usd", "USD, by model", ["model"], registry=registry)
        self.unmetered = Counter(
            "scope_calls_without_usage", "Answers that did not say what they used", ["model"], registry=registry
        )
        self.in_flight = Gauge("scope_requests_in_flight", "Chat requests under way", registry=registry)
        self.routing_s = Histogram(
            "scope_routing_seconds", "Time to decide", buckets=_ROUTING_SECONDS, registry=registry
        )
        self.first_byte_s = Histogram(
            "scope_first_byte_seconds", "From the request to the first byte, fallbacks included", ["model"],
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip

    def text(self) -> bytes:
        """All of them, in Prometheus' text format."""
        return generate_latest(self._registry)
