"""What /metrics tells Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from phi3scaffold.serving.engine_client import EngineClient, PendingRequest

SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)
__all__ = ["CONTENT_TYPE_LATEST", "ServerMetrics"]


class ServerMetrics:
    """The server's counters; the queue and the engine are looked at when somebody asks."""

    def __init__(self, worker: EngineClient) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "phi3scaffold_requests", "Requests by status.", ("path", "status"), registry=registry
        )
        self.tokens = Counter(
            "phi3scaffold_tokens", "Tokens read and written.", ("model", "kind"), registry=registry
        )
        self.seconds = Histogram(
            "phi3scaffold_request_seconds",
            "Whole answers, their waiting included.",
            buckets=SECONDS,
            registry=registry,
        )
        self.first = Histogram(
            "phi3scaffold_first_token_seconds",
            "Until the first token, the waiting included.",
            buckets=SECONDS,
            registry=registry,
        )
        self.waited = Histogram(
            "phi3scaffold_queue_seconds", "In the queue.", buckets=SECONDS, registry=registry
        )
        looked_at = (
            ("queue", "Requests that wait.", lambda: len(worker.waiting)),
            ("running", "Requests that are being answered.", lambda: int(bool(worker.running))),
            ("engine_up", "Whether the engine is there.", lambda: int(worker.ready)),
            ("engine_restarts", "Starts of the engine after the first.", lambda: worker.restarts),
        )
        for name, what, look in looked_at:
            Gauge(f"phi3scaffold_{name}", what, registry=registry).set_function(look)

    def answered(self, ticket: PendingRequest, seconds: float) -> None:
        """Count one answer that came to its end."""
        self.tokens.labels(ticket.asked.model, "prompt").inc(ticket.prompt_tokens)
        self.tokens.labels(ticket.asked.model, "answer").inc(ticket.tokens)
        self.seconds.observe(seconds)
        self.first.observe(ticket.first)
        self.waited.observe(ticket.waited)

    def text(self) -> bytes:
        """In Prometheus' format."""
        return generate_latest(self.registry)
