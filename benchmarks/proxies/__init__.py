"""Proxies for models that are compared: what they ask, what asks them, and how each is started."""
