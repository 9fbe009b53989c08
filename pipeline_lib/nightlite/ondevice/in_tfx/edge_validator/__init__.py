"""EdgeValidator: runs the file as a phone would."""
