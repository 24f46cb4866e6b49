"""Pure functions of arrays: what a ranking is worth. No data, no model, no disk."""
