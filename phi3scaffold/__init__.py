"""Fine-tune, quantize, prove and run a small language model of your own."""

__version__ = "0.4.0"
