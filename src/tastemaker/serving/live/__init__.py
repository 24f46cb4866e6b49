"""What a worker holds in memory: the model, the catalog, users, lists and what is trending."""
