"""The service: recommendations over HTTP that are updated with every event."""
