"""The server's metrics at /metrics, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from phi3scaffold.serving.engine_client import EngineClient, PendingRequest

SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)
__all__ = ["CONTENT_TYPE_LATEST", "ServerMetrics"]


class ServerMetrics:
    """The server's counters; the queue and the engine are read when /metrics is requested."""

    def __init__(self, engine: EngineClient) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "phi3scaffold_requests", "Requests by status.", ("path", "status"), registry=registry
        )
        self.tokens = Counter(
            "phi3scaffold_tokens", "Tokens read and written.", ("model", "kind"), registry=registry
        )
        self.seconds = Histogram(
            "phi3scaffold_request_seconds",
            "Whole answers, the queue included.",
            buckets=SECONDS,
            registry=registry,
        )
        self.first = Histogram(
            "phi3scaffold_first_token_seconds",
            "Until the first token, the queue included.",
            buckets=SECONDS,
            registry=registry,
        )
        self.waited = Histogram(
            "phi3scaffold_queue_seconds", "Time in the queue.", buckets=SECONDS, registry=registry
        )
        gauges = (
            ("queue", "Requests in the queue.", lambda: len(engine.waiting)),
            ("running", "Requests being answered.", lambda: int(bool(engine.running))),
            ("engine_up", "Whether the engine is ready.", lambda: int(engine.ready)),
            ("engine_restarts", "Restarts of the engine.", lambda: engine.restarts),
        )
        for name, description, read in gauges:
            Gauge(f"phi3scaffold_{name}", description, registry=registry).set_function(read)

    def answered(self, pending: PendingRequest, seconds: float) -> None:
        """Count one complete answer."""
        self.tokens.labels(pending.request.model, "prompt").inc(pending.prompt_tokens)
        self.tokens.labels(pending.request.model, "answer").inc(pending.tokens)
        self.seconds.observe(seconds)
        self.first.observe(pending.first_token)
        self.waited.observe(pending.waited)

    def text(self) -> bytes:
        """Return the metrics in Prometheus' format."""
        return generate_latest(self.registry)
