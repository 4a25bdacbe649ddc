"""A base model and prepared rows come in; a trained adapter goes out (by Olive)."""
