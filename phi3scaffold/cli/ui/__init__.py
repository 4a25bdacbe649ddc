"""What verbs print: progress, tables, units, input lines. Values come in; lines of text go out."""
