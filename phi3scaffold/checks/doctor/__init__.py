"""What `phi3scaffold doctor` checks, wherever the pipeline runs. One check a file.

`check(context)` yields a `Finding` for each thing that it looked at, good or bad, and nothing where
it has no meaning for the project or the machine.
"""
