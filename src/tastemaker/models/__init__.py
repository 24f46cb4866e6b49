"""The models, one idea a file: what it is and its paper, its config, its network, the model."""
