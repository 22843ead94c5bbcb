"""The results folder: its places, the files of all its tiles, and a finished build to read."""
