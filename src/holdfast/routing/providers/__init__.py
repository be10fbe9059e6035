"""Where models are served: one module a kind of provider."""
