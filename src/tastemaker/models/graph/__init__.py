"""Models that propagate vectors over the graph of interactions."""
