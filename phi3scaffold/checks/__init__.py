"""What is wrong here: `doctor` looks at the machine, `lint` at the project.

One check a file, in `doctor/` and `lint/`. Its `ID` never changes; its docstring is its
documentation: the first line says what holds where all is well, then why it matters and how to mend
it. `check(subject)` yields a `Verdict` for each thing that it found, and nothing where all is well.
`CHECKS` of each of the two folders is their order; `python -m phi3scaffold.checks.document` writes
phi3scaffold/checks/README.md from the docstrings.
"""
