"""What pages read, cached for all visitors."""
