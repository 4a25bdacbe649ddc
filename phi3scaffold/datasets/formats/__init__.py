"""Readers of one file format each: (line, values) of every row, one at a time."""
