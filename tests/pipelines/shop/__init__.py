"""A pipeline of every usual component of TFX, as someone has it in a folder of their own, with `module_file`."""
