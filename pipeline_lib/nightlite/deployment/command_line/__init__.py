"""The command line itself: its table of commands, their options, completion in a shell."""
