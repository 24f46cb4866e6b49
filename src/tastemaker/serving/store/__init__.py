"""The database: its tables, and all reads from and writes to them."""
