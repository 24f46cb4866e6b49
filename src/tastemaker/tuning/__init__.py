"""Settings found by trying: a search over a model's own space, on the validation part alone."""
