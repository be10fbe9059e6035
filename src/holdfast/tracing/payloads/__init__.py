"""Long values of spans: taken apart, kept once, given back whole."""
