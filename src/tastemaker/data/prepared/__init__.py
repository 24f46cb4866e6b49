"""Prepared data sets: encoded once, with bounded memory, and opened by memory map."""
