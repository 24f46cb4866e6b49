"""Figures of plain numbers, for reports and notebooks; Matplotlib is loaded when one is drawn."""
