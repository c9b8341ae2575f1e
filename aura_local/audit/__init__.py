"""What was done, by whom: an audit log that shows when it has been tampered with. Layer 2."""
