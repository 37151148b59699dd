"""Image files, read and drawn."""
