"""The page on which a person tries a file in a browser: of `nightlite try`, and behind links in Airflow."""
