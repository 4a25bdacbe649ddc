"""What does damage on purpose, many times: each module is a subject, and a command of its own.

``python -m tests.stress.NAME [--rounds N]`` prints one row of the table in docs/reliability.md;
``make stress`` runs them all. The suite runs a few rounds of each.
"""
