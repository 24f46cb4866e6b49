"""The service: recommendations over HTTP that move with every event."""
