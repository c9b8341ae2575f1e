"""What tenants use, and how much of it their tier allows. Layer 2."""
