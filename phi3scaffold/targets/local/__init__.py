"""This machine: its processor, an NVIDIA GPU, or the processor and later DirectML."""
