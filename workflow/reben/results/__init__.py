"""The results folder: reading a finished build, and the files of all its tiles."""
