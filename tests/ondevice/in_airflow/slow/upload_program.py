"""A process that uploads a feed as a task does, in an environment that has the provider of the bucket.

    python -m tests.ondevice.in_airflow.slow.upload_program FEED URL NAME

For each line on stdin it uploads once, and writes a line of JSON: what was written and kept, or the error.
"""

import dataclasses
import json
import sys
from pathlib import Path

from nightlite.errors import FeedError
from nightlite.ondevice.in_airflow.feed_upload import upload

if __name__ == "__main__":
    feed, url, name = sys.argv[1:]
    for _ in sys.stdin:
        try:
            said = dataclasses.asdict(upload(Path(feed), url, name))
        except FeedError as error:
            said = {"error": str(error)}
        print(json.dumps(said), flush=True)
