"""Fine-tune, quantize, prove and run a small language model of your own.

Two halves that never import each other: `generator` turns answers into a project on disk,
`runtime` turns a project into a model. `cli` is the only place that knows both.
"""

__version__ = "0.3.0"
