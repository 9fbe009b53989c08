"""What an app relies on: the files' inputs and outputs, their meaning, and examples that prove it."""
