"""Try workflows on purpose: suites of scenarios, with recorded answers or within a budget."""
