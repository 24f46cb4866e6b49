"""Admin: routes that list, replace and train the deployed model."""

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import Field

from tastemaker.serving.http.auth import needs
from tastemaker.serving.http.problems import documented
from tastemaker.serving.http.routes.common import TheService, json
from tastemaker.serving.store.deployments import DeploymentRecord
from tastemaker.wire import Deployment, Deployments, LearningStarted

router = APIRouter(prefix="/admin", tags=["admin"], dependencies=needs("admin"))

PROBLEMS = documented(401, 403, 409, 422, 429, 503)

MAX_DEPLOYMENTS = 200
"""Maximum number of deployments on a page."""

Cursor = Annotated[str, Field(max_length=18, pattern=r"^\d+$")]


@router.get(
    "/deployments", response_model=Deployments, responses=documented(401, 403, 422, 429, 503)
)
async def deployments(
    service: TheService,
    cursor: Annotated[
        Cursor | None, Query(description="next_cursor of the previous page, to get the next one.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_DEPLOYMENTS)] = 50,
) -> Response:
    """Returns a page of the deployments of models, with their evaluation, newest first."""

    def page() -> dict[str, Any]:
        log = service.live.deployments
        latest = log.latest()
        records = log.newest(limit + 1, None if cursor is None else int(cursor))
        return {
            "deployments": [
                deployment_fields(record, latest.seq if latest else 0) for record in records[:limit]
            ],
            "next_cursor": str(records[limit - 1].seq) if len(records) > limit else None,
        }

    return json(await service.gate.run(page))


@router.post("/reload", response_model=Deployment, responses=PROBLEMS)
async def reload(service: TheService) -> Response:
    """Opens the run's folder again and deploys its model, without dropping a request.

    A run that cannot be opened is refused, and the current model continues to serve.
    """

    def deploy() -> dict[str, Any]:
        record = service.live.deploy(service.settings.run, "reload")
        service.telemetry.swaps.labels("reload").inc()
        return deployment_fields(record, record.seq)

    return json(await service.deploy_gate.run(deploy))


@router.post("/rollback", response_model=Deployment, responses=PROBLEMS)
async def rollback(service: TheService) -> Response:
    """Deploys the model that served before the current one."""

    def roll_back() -> dict[str, Any]:
        record = service.live.roll_back()
        service.telemetry.swaps.labels("rollback").inc()
        return deployment_fields(record, record.seq)

    return json(await service.deploy_gate.run(roll_back))


@router.post("/learn", status_code=202, response_model=LearningStarted, responses=PROBLEMS)
async def learn(service: TheService) -> Response:
    """Starts training on the new events, in a process beside the service.

    The result is deployed if it is better on the newest events.
    """
    started = await service.learning.start(least=1)
    return json({"status": "started" if started else "running"}, 202)


def deployment_fields(record: DeploymentRecord, current: int) -> dict[str, Any]:
    """Returns the content of a `wire.Deployment`."""
    return {
        "deployment": record.seq,
        "version": record.version,
        "model": record.model,
        "run": _run_name(Path(record.run)),
        "trained_at": record.trained_at,
        "deployed_at": record.deployed_at,
        "reason": record.reason,
        "current": record.seq == current,
        "figures": record.figures,
    }


def _run_name(run: Path) -> str:
    """Returns the folder's name; for a learned version with its parent: runs.versions/0001."""
    return "/".join(run.parts[-2:]) if run.parent.suffix == ".versions" else run.name
