"""The model: what a user replaces with their own. Runs in `.venvs/tfx`."""
