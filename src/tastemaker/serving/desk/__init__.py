"""The desk: what the people who run the service want to see of it."""
