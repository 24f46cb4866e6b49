"""What stands in the tables of results: one function a published figure, one file a data set."""
