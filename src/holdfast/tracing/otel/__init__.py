"""The API of OpenTelemetry over our tracer, so that its instrumentors write into our traces."""
