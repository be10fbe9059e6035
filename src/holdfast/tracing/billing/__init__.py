"""What model calls cost: tokens by the rules of providers, dated prices, money in whole numbers."""
