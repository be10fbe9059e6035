"""Pay nodes with ecash: a Cashu wallet in the project, and prepaid balances at Routstr nodes."""
