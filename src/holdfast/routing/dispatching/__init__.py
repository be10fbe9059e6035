"""The way of a request: reserve, ask one endpoint after another, count what came, settle."""
