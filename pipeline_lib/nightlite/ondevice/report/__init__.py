"""Contents of a run's report, as figures. `in_tfx/report/` measures and draws them."""
