"""From scores to ranks and top lists, on any device."""
