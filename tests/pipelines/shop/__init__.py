"""A pipeline of every usual component of TFX, as somebody has it in a folder of their own, with `module_file`."""
