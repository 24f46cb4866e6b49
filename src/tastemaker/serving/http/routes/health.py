"""Health: liveness, readiness and metrics."""

from fastapi import APIRouter, Response

from tastemaker.serving.http.auth import needs
from tastemaker.serving.http.routes.common import TheService, json
from tastemaker.wire import Health, Readiness

router = APIRouter(tags=["health"])


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", response_model=Health)
async def healthz() -> Response:
    """Reports that the process responds."""
    return json(Health())


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", response_model=Readiness)
async def readyz(service: TheService) -> Response:
    """Reports that a model is loaded; `degraded` without the database or the deployed model."""
    snapshot = await service.gate.run(service.live.readiness)
    record, missing = snapshot.deployed.record, snapshot.deployed.missing
    return json(
        {
            "status": "degraded" if snapshot.degraded or missing else "ready",
            "model": record.model,
            "version": record.version,
            "missing": missing and missing.version,
        }
    )


@router.get("/metrics", response_class=Response, dependencies=needs("read"))
async def metrics(service: TheService) -> Response:
    """Returns metrics for Prometheus."""
    service.measure()
    body, media_type = service.telemetry.exposition()
    return Response(body, media_type=media_type)
