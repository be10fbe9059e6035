"""What models cost, who says so, and whether providers charge what they quote."""
