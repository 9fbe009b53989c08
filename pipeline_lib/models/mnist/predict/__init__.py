"""Prediction of a picture's digit by a release."""
