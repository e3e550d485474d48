"""The command line: `latentia VERB`. Nothing heavy is imported until a verb runs."""
