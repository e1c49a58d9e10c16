"""The demo model: everything from the synthetic broadcast to the shipped file."""
