"""Figures and reports of the results of training and evaluation."""
