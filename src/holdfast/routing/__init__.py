"""Model calls: one router, many providers."""
