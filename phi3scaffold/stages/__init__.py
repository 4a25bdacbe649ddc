"""One file a verb: what the stage reads, what it writes, and the few lines that do it."""
