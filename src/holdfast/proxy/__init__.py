"""The proxy: what foreign clients speak, answered through the router."""
