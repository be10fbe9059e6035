"""The face over HTTP: a small ASGI application, and the server that runs it."""
