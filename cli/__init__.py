"""The command line: one file a command, parse, configure, run; nothing else prints."""
