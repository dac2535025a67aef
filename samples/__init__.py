"""Drawn leaves of apple and grape, for tests and for `make demo`."""
