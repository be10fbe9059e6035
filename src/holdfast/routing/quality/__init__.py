"""Which model is good enough for a request: predictions, proof, and the choice."""
