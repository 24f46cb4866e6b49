"""Pictures and reports of what training and evaluation found."""
