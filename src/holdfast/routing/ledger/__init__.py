"""What was reserved, spent and charged: one file that all processes of a project share."""
