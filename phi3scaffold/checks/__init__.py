"""What is wrong here: `doctor` looks at the machine, `lint` at the project.

One check a file. Its docstring is its documentation, its `ID` never changes, and what it has found
is a `Verdict`.
"""
