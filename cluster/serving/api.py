"""The routes of the service: HTTP in, JSON out, as `openapi.json` describes them. Those of videos: `video_routes`.

Handlers do no work of their own: they read requests within limits and ask the `Service`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Request, Response, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from cluster.serving.errors import CODE_OF, ApiError, error_body, problems_of
from cluster.serving.gate import COOKIE, SESSION, SESSION_PATH, Gate, error_headers, is_loopback, protocol_of
from cluster.serving.live import TRY_LATER, Camera
from cluster.serving.metrics import CONTENT_TYPE
from cluster.serving.payloads import Health, ModelFacts, ServiceFacts, refusals
from cluster.serving.service import Service
from cluster.serving.video_routes import add_video_routes
from schemas.errors import InputError
from schemas.outcomes import FailureCode

STATIC = Path(__file__).parent / "static"
CLIENT_LEFT = 499  # as nginx has it
# A training's page brings its own policy, by hash; here it also loses its origin.
REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
)


def gated(service: Service, token: str | None) -> Gate:
    """The application behind its gate, which most requests pass with the `token` alone, if there is one."""
    options = service.options
    return Gate(
        api(service),
        token,
        options.guards.client_rate,
        service.metrics,
        uploads=service.limits,
        is_local=is_loopback(options.host),
    )


def api(service: Service) -> FastAPI:
    """The application."""

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        sweeping = asyncio.create_task(service.registry.sweep())
        yield
        sweeping.cancel()
        await service.close()

    app = FastAPI(
        title="Framemill",
        version="1",
        description="Labels, timelines and transcripts of videos, by models that were trained with Framemill.",
        lifespan=life,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    _handle_errors(app)
    add_video_routes(app, service)
    _add_model_routes(app, service)
    _add_live_route(app, service)

    @app.get("/v1/service", tags=["service"], response_model=ServiceFacts, responses=refusals())
    async def show_service() -> dict[str, Any]:
        """What is taken in, and how long it is kept."""
        uploads = service.options.uploads
        return {
            "max_upload_bytes": service.limits.max_bytes,
            "max_duration_seconds": uploads.max_duration,
            "retention_seconds": uploads.retention,
            "uris": uploads.allow_uris,
            "uri_schemes": ["https", "http"] if uploads.allow_uris else [],
            "corrections_kept": service.options.corrections is not None,
        }

    @app.post(SESSION_PATH, tags=["service"], status_code=204, responses=refusals())
    async def open_session(request: Request) -> Response:
        """Exchange the token for a cookie, as browsers send no other header with players, links and WebSockets."""
        response = Response(status_code=204)
        if request.scope[SESSION] is not None:
            # A page knows by what it came, even where nothing is known of the proxy before this service.
            is_secure = "https" in (request.url.scheme, urlsplit(request.headers.get("origin", "")).scheme)
            response.set_cookie(COOKIE, request.scope[SESSION], httponly=True, samesite="strict", secure=is_secure)
        return response

    @app.delete(SESSION_PATH, tags=["service"], status_code=204, responses=refusals())
    async def close_session() -> Response:
        """Remove the cookie."""
        response = Response(status_code=204)
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return response

    @app.get("/healthz", tags=["service"], response_model=Health, responses=refusals())
    async def health() -> dict[str, str]:
        """Whether the service answers."""
        return {"status": "ok"}

    @app.get("/metrics", tags=["service"], response_class=Response, responses=refusals())
    async def metrics() -> Response:
        """Counters for Prometheus."""
        return Response(service.metrics.text(), media_type=CONTENT_TYPE)

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(STATIC / "index.html")

    app.mount("/static", StaticFiles(directory=STATIC))
    return app


def _add_model_routes(app: FastAPI, service: Service) -> None:
    models = service.served.models

    @app.get("/v1/models", tags=["models"], response_model=list[ModelFacts], responses=refusals())
    async def list_models() -> list[dict[str, Any]]:
        """The classifiers and lip readers that are served."""
        return [
            {
                "name": model.name,
                "kind": model.kind,
                "classes": list(model.classes),
                "step_hz": model.step_hz,
                "live": model.is_live,
                "live_hz": model.live_hz,
                "accuracy": model.accuracy,
                "word_error_rate": model.word_error_rate,
                "confusions": {name: list(pairs) for name, pairs in model.confusions.items()},
                "report": None if model.report is None else f"/v1/models/{model.name}/report",
            }
            for model in models.values()
        ]

    @app.get("/v1/models/{name}/report", tags=["models"], response_class=Response, responses=refusals(404, 422))
    async def show_report(name: str) -> Response:
        """The page of a model's training."""
        model = models.get(name)
        if model is None or model.report is None:
            raise ApiError("not_found", "there is no report of such a model")
        return Response(model.report, media_type="text/html", headers={"content-security-policy": REPORT_POLICY})


def _add_live_route(app: FastAPI, service: Service) -> None:
    @app.websocket("/v1/live")
    async def watch(socket: WebSocket, model: str = "") -> None:
        """A camera: JPEG frames in, the classes of the newest one out; of stream networks alone."""
        live = service.handles.live
        name = model or next(iter(live), "")
        protocol = protocol_of(socket.scope)
        if name not in live or service.sessions >= service.options.guards.live_sessions:
            await socket.accept(protocol)
            known = "not_live" if name in service.served.models else "not_found"
            await socket.close(TRY_LATER, "busy" if name in live else known)
            return
        service.sessions += 1
        service.metrics.sessions.set(service.sessions)
        try:
            await socket.accept(protocol)
            config = service.served.classifiers[name].trained.config
            await Camera(socket, live[name], config, service.metrics, service.options.uploads.idle_time)()
        finally:
            service.sessions -= 1
            service.metrics.sessions.set(service.sessions)


def _handle_errors(app: FastAPI) -> None:
    def respond(error: ApiError) -> JSONResponse:
        return JSONResponse(
            error_body(error.code, error.message), status_code=error.status, headers=error_headers(error)
        )

    @app.exception_handler(ApiError)
    async def refused(request: Request, error: ApiError) -> JSONResponse:
        return respond(error)

    @app.exception_handler(ClientDisconnect)
    async def left(request: Request, error: ClientDisconnect) -> Response:
        return Response(status_code=CLIENT_LEFT)  # which nobody hears

    @app.exception_handler(InputError)
    async def wrong(request: Request, error: InputError) -> JSONResponse:
        return respond(ApiError("invalid", str(error)))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return respond(ApiError("invalid", problems_of(error)))

    @app.exception_handler(HTTPException)
    async def plain(request: Request, error: HTTPException) -> Response:
        cause = error.__cause__  # of a body that could not be read
        if isinstance(cause, ApiError):
            return respond(cause)
        if isinstance(cause, ClientDisconnect):
            return await left(request, cause)
        if error.status_code == HTTPStatus.BAD_REQUEST:  # a body that is no text
            return respond(ApiError("invalid", str(error.detail)))
        code = CODE_OF.get(error.status_code, "invalid")
        headers = {**(error.headers or {}), "connection": "close"}
        return JSONResponse(error_body(code, str(error.detail)), status_code=error.status_code, headers=headers)

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> JSONResponse:
        logging.getLogger("framemill").error("an error in this program", exc_info=error)
        return respond(ApiError(FailureCode.INTERNAL, "an error in this service"))
