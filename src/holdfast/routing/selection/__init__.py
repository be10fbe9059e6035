"""Which endpoint serves a request for the least expected cost, and why the others do not."""
