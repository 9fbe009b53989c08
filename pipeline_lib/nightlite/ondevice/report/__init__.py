"""Contents of a run's report, as figures, and the style of its pages. `in_tfx/report/` measures and draws them."""

from pathlib import Path

# Of `base.html.j2`, which every page extends, those in Airflow too.
BASE_FOLDER = Path(__file__).with_name("templates")
