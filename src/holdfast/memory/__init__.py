"""What agents and people should remember."""
