"""Where traces are kept: the seam, and one store beside it for each database."""
