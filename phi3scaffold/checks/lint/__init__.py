"""What `phi3scaffold lint` checks in a project. One check a file.

`check(context)` yields a `Finding` for each problem, and nothing where there is none.
"""
