"""Speed and size, measured: never part of the timed tests. Each file runs by itself."""
