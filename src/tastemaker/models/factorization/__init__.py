"""Models with a vector for each user and each item, and the code that they share."""
