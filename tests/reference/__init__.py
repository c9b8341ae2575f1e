"""Our torch-free fast paths beside the packages they stand in for; run by ./scripts/test --torch."""
