"""A model that adds up the scores of other models."""
