"""Which experiments belong to a task, asked of MLflow's own store."""

from __future__ import annotations

from collections.abc import Collection

from mlflow.server.handlers import _get_tracking_store
from sqlalchemy import URL, make_url

from dissonance.adapters.mlflow_server.rights import owner

PAGE = 1000


def own_database() -> URL:
    """Where MLflow's own tables are."""
    return make_url(_get_tracking_store().db_uri)  # type: ignore[attr-defined]  # of the store that tables need


def experiments_of(tasks: Collection[str]) -> list[str]:
    """Ids of the experiments that `adapters.mlflow.registry` made for these tasks."""
    found: list[str] = []
    token = None
    while True:
        store = _get_tracking_store()
        page = store.search_experiments(max_results=PAGE, page_token=token)  # type: ignore[no-untyped-call]  # untyped
        found += [str(each.experiment_id) for each in page if owner(each.name, each.tags.get("task_id", "")) in tasks]
        token = page.token
        if not token:
            return found
