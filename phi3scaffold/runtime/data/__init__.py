"""The user's rows: read, checked, split, and rendered into training tokens."""
