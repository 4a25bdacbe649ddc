"""The machine at hand: its processor, an NVIDIA GPU, or the processor and later DirectML."""
