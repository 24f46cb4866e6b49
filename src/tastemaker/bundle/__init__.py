"""What training leaves behind: a run folder, and the unfinished one it grows in."""
