"""Run folders: the results of finished and of unfinished training."""
