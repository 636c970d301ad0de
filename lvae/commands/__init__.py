"""The command line: flags in, exit status out. Each command is also `lvae NAME`."""
