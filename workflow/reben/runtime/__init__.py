"""How a step runs: command line, errors, atomic files, processes, code version."""
