"""Notice of a new span to Airflow: an event of its Asset, sent over REST, which starts the pipeline's DAG."""

from nightlite.deployment.client.access import find_access
from nightlite.deployment.client.rest import AirflowRest
from nightlite.deployment.settings import Settings
from nightlite.errors import SettingsError, StackError
from nightlite.ondevice.model import OnDeviceModel
from nightlite.ondevice.spans import Span
from nightlite.paths import HOW_TO_START


def tell_of(span: Span, model: OnDeviceModel, config: Settings) -> str:
    """Notify Airflow of a model's span, unless it knows the span. Return a sentence about the result.

    Never fails. The span exists, so the next scheduled run reads it, and the same ingest can be repeated.
    """
    try:
        access = find_access(config)
        if access is None:
            raise StackError(f"there is no local Airflow ({HOW_TO_START}) and NIGHTLITE_URL is not set")
        with AirflowRest(access) as rest:
            return f"Airflow at {access.url} {_tell(rest, span, model.data_asset)}"
    except (KeyError, TypeError, ValueError):
        reason = "expected Airflow 3's REST API. Received: another answer"
    except (SettingsError, StackError) as error:
        reason = " ".join(str(error).split())
    end = "" if reason.endswith("?") else "."
    return f"Airflow was not notified: {reason}{end} The next run reads {span.path.name} anyway"


def _tell(rest: AirflowRest, span: Span, name: str) -> str:
    asset = rest.asset_id(name)
    if asset is None:
        raise StackError(f"it has no Asset {name}, because no DAG there names it")
    extra = span.event()
    if any(extra.items() <= event.items() for event in rest.asset_events(asset)):
        return f"knows of {span.path.name} already"
    rest.add_asset_event(asset, extra)
    return f"was notified of {span.path.name}"
