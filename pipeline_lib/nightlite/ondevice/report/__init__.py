"""Contents of a run's report, as figures, and the style of its pages. `in_tfx/report/` measures and draws them."""
