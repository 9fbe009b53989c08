"""Quantization of the file on phones. The Trainers import this module, and train again when it changes."""

from typing import Literal

Quantization = Literal["none", "dynamic", "float16", "int8"]
