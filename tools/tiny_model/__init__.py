"""How the embedded model `tiny` was made: a hand-written world, a corpus, a tokenizer, weights."""
