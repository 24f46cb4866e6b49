"""The desk: statistics and diagnostics for the operators of the service."""
