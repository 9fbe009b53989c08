"""Models' answers on a split, taken batch by batch, and figures of them."""
