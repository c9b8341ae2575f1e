"""Who is asking: credentials and the principal that they lead to. Layer 2."""
