"""What the reruns gave: the ledger, the ranking, and what is published."""
