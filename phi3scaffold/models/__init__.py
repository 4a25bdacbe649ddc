"""A model's name comes in; its files at one commit, what fits it, and its prompt go out."""
