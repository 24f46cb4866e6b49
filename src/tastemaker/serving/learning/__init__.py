"""Training on what has happened, and deploying the result where it is better."""
