"""What is kept of clips, where, and for how long."""
