"""The web pages of the service. They call its HTTP API, as any other client does."""
