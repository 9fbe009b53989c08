"""The example model, for users to replace with their own. Runs in `.venvs/tfx`."""
