"""The doctor's checks of the made-up target."""
