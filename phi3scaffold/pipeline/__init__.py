"""How stages run: what decides a result, when it is stale, how it appears whole or not at all.

This folder knows nothing of models, and imports neither torch nor olive.
"""
