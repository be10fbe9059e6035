"""Records of spans as bytes: how they are written, how they look, how they are found again."""
