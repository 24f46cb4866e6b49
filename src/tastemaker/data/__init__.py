"""From bytes to a Split: reading, validating, encoding and holding out. No torch, no printing."""
