"""Models that reconstruct whole histories."""
