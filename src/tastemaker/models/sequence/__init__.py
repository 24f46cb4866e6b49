"""Models that read a history in its order, and what they share."""
