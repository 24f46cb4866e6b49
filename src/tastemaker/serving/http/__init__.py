"""The HTTP layer: connections, middleware and routes."""
