"""Names that the module file imports from beside it, as TFX's own runners allow."""

LABEL = "bought"
FEATURE = "price"
EXTRACTED = "extracted"  # file that the extractors leave
TUNED = "tuned"  # file beside the model, with the names of its hyperparameters
