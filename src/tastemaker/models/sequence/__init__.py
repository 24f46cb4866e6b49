"""Models that read a history in order, and the code that they share."""
