"""What administrators do: each act checks its actor, and is one transaction with its audit entry. Layer 3."""
