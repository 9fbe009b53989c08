"""Location of a run's report: its nodes, their artifact's type, its files. Every DAG parse imports this."""

from typing import Final

REPORT_NODE: Final = "ModelReport"
# Adds the outcome to the report, after the push.
OUTCOME_NODE: Final = "OutcomeReport"
REPORT_TYPE: Final = "Report"
REPORT_PAGE: Final = "report.html"
REPORT_JSON: Final = "report.json"
STATISTICS_PAGE: Final = "statistics.html"
EVALUATIONS_PAGE: Final = "evaluations.html"
# The tab *Model report* of a run's page in Airflow's UI: /dags/<dag>/runs/<run>/plugin/<this>.
REPORT_ROUTE: Final = "model-report"
# The tab *Releases* of a DAG's page: /dags/<dag>/plugin/<this>.
RELEASES_ROUTE: Final = "releases"
# Last part of the address of the page that runs a run's file, or a release, in a browser.
TRY_PAGE: Final = "try"
# For refused data: pipeline_root/<DataGate>/refused_data/<execution>/.
REFUSED_DATA: Final = "refused_data"
