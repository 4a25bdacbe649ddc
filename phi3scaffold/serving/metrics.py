"""The server's metrics at /metrics, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from phi3scaffold.serving.engine_client import EngineClient, PendingRequest

SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)


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
        self.seconds, self.first, self.waited = (
            Histogram(f"phi3scaffold_{name}_seconds", text, buckets=SECONDS, registry=registry)
            for name, text in (
                ("request", "Whole answers, the queue included."),
                ("first_token", "Until the first token, the queue included."),
                ("queue", "Time in the queue."),
            )
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
