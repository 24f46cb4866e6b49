"""Models that score by a matrix of similarities between items."""
