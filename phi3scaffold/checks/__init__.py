"""A machine and a project come in; findings go out: what is wrong, where, and what to do.

One check a file, in `doctor/` and `lint/`; a target has checks of its own beside it. Its `ID` never
changes; its docstring is its documentation: the first line says what holds where it passes, then
why that matters and how to fix it. IDs are in the order in which the checks run. `make
reference` writes docs/reference/checks.md from these docstrings.
"""
