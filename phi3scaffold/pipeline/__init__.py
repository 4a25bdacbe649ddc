"""The machinery of stages: a graph and a project come in; whole folders with manifests go out.

It decides what a result depends on, when it is stale and which process makes it, and lets it
appear whole or not at all. This room knows nothing of models, and imports neither torch nor olive.
"""
