"""Models with a vector for each user and each item, and what they share."""
