"""Several processes that train one model: starting them, joining them and what they agree on."""
