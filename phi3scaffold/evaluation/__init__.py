"""Held-out rows and the forms of a model come in; metrics and the verdict of the gate go out.

evaluation_set (rows) -> measurement (of a form, in its own process) -> form_metrics -> gate.
`metrics` and `release` are the records that are written; `limits` is the home of every threshold.
"""
