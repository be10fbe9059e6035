"""OTLP, the wire format of OpenTelemetry: in and out, as JSON and as protobuf."""
