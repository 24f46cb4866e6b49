"""Work that is divided among processes and machines: shards of users, and training."""
