"""The state of a worker in memory: the model, the catalog, users, lists and trending scores."""
