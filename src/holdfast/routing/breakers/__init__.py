"""Circuit breakers: pure rules in `rules`, what is known of all endpoints in `board`."""
