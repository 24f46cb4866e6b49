"""Work that is divided among processes and machines: training, shards of users, and Ray."""
