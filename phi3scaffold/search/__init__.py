"""A project's settings come in; what a run will take, and which settings serve best, go out."""
