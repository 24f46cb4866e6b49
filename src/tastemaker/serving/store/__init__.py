"""The database: its tables and what is read from and written to them."""
