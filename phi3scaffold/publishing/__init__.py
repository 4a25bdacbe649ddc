"""What goes up to the hub, whether it may, and how it gets there."""
