"""The routes of the service: HTTP in, JSON out, as `openapi.json` describes them.

Handlers do no work of their own: they read requests within limits and ask the `Service`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from cluster.serving.errors import CODE_OF, ApiError, error_body
from cluster.serving.fetching import check_uri, name_of
from cluster.serving.gate import COOKIE, PROTOCOL, SESSION, SESSION_PATH, client_of, error_headers
from cluster.serving.live import TRY_LATER, Camera
from cluster.serving.metrics import CONTENT_TYPE
from cluster.serving.models import names_of
from cluster.serving.payloads import (
    Accepted,
    Correction,
    ErrorBody,
    Health,
    KeptCorrection,
    ModelFacts,
    ServiceFacts,
    UriRequest,
    VideoState,
)
from cluster.serving.registry import DONE, ServedVideo
from cluster.serving.results import FORMS, VideoResult
from cluster.serving.service import Service
from cluster.serving.uploads import FORM, discard, receive_text, receive_upload
from schemas.errors import InputError
from schemas.outcomes import FailureCode

STATIC = Path(__file__).parent / "static"
JSON = "application/json"
# A training's page brings its own policy, by hash; here it also loses its origin.
REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
)
MEDIA_POLICY = "sandbox; default-src 'none'; media-src 'self'"
VIDEO_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            FORM: {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "models": {"type": "string", "description": "names, separated by commas; by default all"},
                    },
                }
            },
            JSON: {"schema": UriRequest.model_json_schema()},
        },
    }
}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Responses that a route may give beside its own."""
    return {status: {"model": ErrorBody} for status in (401, 403, 429, *statuses)}


def api(service: Service) -> FastAPI:
    """The application."""

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        sweeping = asyncio.create_task(service.registry.sweep())
        yield
        sweeping.cancel()
        await service.registry.close()

    app = FastAPI(
        title="Framemill",
        version="1",
        description="Labels and timelines of videos, by classifiers that were trained with Framemill.",
        lifespan=life,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    _handle_errors(app)
    _add_video_routes(app, service)
    _add_model_routes(app, service)
    _add_live_route(app, service)

    @app.get("/v1/service", tags=["service"], response_model=ServiceFacts, responses=errors())
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

    @app.post(SESSION_PATH, tags=["service"], status_code=204, responses=errors())
    async def open_session(request: Request) -> Response:
        """Exchange the token for a cookie, as browsers send no other header with players, links and WebSockets."""
        response = Response(status_code=204)
        if request.scope[SESSION] is not None:
            is_secure = request.url.scheme == "https"
            response.set_cookie(COOKIE, request.scope[SESSION], httponly=True, samesite="strict", secure=is_secure)
        return response

    @app.delete(SESSION_PATH, tags=["service"], status_code=204, responses=errors())
    async def close_session() -> Response:
        """Remove the cookie."""
        response = Response(status_code=204)
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return response

    @app.get("/healthz", tags=["service"], response_model=Health, responses=errors())
    async def health() -> dict[str, str]:
        """Whether the service answers."""
        return {"status": "ok"}

    @app.get("/metrics", tags=["service"], response_class=Response, responses=errors())
    async def metrics() -> Response:
        """Counters for Prometheus."""
        return Response(service.metrics.text(), media_type=CONTENT_TYPE)

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(STATIC / "index.html")

    app.mount("/static", StaticFiles(directory=STATIC))
    return app


def _add_video_routes(app: FastAPI, service: Service) -> None:
    registry = service.registry

    @app.post(
        "/v1/videos",
        tags=["videos"],
        status_code=202,
        response_model=Accepted,
        responses=errors(408, 413, 415, 422),
        openapi_extra=VIDEO_BODY,
    )
    async def add_video(request: Request, response: Response) -> dict[str, str]:
        """Take in a video: a file, or the address of one."""
        content_type = request.headers.get("content-type", "")
        receive = _receive_file if content_type.lower().startswith(FORM) else _receive_uri
        try:
            video = await receive(service, request, content_type)
        except (ApiError, InputError):
            await discard(request.stream())
            raise
        response.headers["Location"] = f"/v1/videos/{video.id}"
        return {"id": video.id, "status": video.status}

    @app.get("/v1/videos/{id}", tags=["videos"], response_model=VideoState, responses=errors(404, 422))
    async def show_video(id: str) -> dict[str, Any]:
        """How far a video is and, once it is done, its results."""
        video = registry.get(id)
        return {
            "id": video.id,
            "name": video.name,
            "status": video.status,
            "progress": round(video.progress, 3),
            "error": None if video.error is None else {"code": video.error[0], "message": video.error[1]},
            "duration_seconds": video.seconds,
            "codec": video.codec,
            "expires_at": None if video.expires_at is None else video.expires_at.isoformat(timespec="seconds"),
            "results": await asyncio.to_thread(service.plain_results, video),
        }

    @app.delete("/v1/videos/{id}", tags=["videos"], status_code=204, responses=errors(404, 422))
    async def delete_video(id: str) -> None:
        """End the work on a video, and remove it with its results."""
        await registry.delete(id)

    @app.get("/v1/videos/{id}/media", tags=["videos"], response_class=FileResponse, responses=errors(404, 416, 422))
    async def show_media(id: str) -> FileResponse:
        """The video itself, as it was sent; with ranges, for players."""
        video = registry.get(id)
        if not video.size_bytes or not video.path.is_file():
            raise ApiError("not_found", "the video is not here yet")
        return FileResponse(video.path, media_type=video.media_type, headers={"content-security-policy": MEDIA_POLICY})

    @app.post(
        "/v1/videos/{id}/corrections",
        tags=["videos"],
        status_code=201,
        response_model=KeptCorrection,
        responses=errors(404, 409, 422),
    )
    async def correct(id: str, correction: Correction) -> dict[str, Any]:
        """Say which label a part of a video should have: it is kept for the next training."""
        video = registry.get(id)
        if video.status != DONE:
            raise ApiError("not_ready", "there is nothing to correct yet")
        names_of(service.served.models, [correction.model])
        if correction.end_seconds <= correction.start_seconds:
            raise ApiError("invalid", "a part ends after it begins")
        row = await asyncio.to_thread(
            service.corrections.add, video.path, correction.start_seconds, correction.end_seconds, correction.label
        )
        service.metrics.corrections.inc()
        return {
            "id": row.id,
            "start_seconds": row.start_seconds,
            "end_seconds": row.end_seconds,
            "label": correction.label,
        }

    @app.get("/v1/corrections.csv", tags=["videos"], response_class=Response, responses=errors())
    async def show_corrections() -> Response:
        """All corrections, as a manifest that training takes."""
        content = await asyncio.to_thread(service.corrections.manifest)
        return Response(content, media_type="text/csv; charset=utf-8")

    def add_download(name: str, form: str) -> None:
        write, media_type = FORMS[form]

        @app.get(
            f"/v1/videos/{{id}}/{name}.{form}",
            tags=["videos"],
            name=f"{name}.{form}",
            response_class=Response,
            responses=errors(404, 409, 422),
        )
        async def download(id: str, model: str | None = None) -> Response:
            """The results of one model, in the form of the jobs."""
            result = _result(registry.get(id), service, model)
            content = await asyncio.to_thread(write, result)
            headers = {"content-disposition": f'attachment; filename="{name}.{form}"'}
            return Response(content, media_type=media_type, headers=headers)

    for name, form in (("results", "parquet"), ("events", "csv"), ("events", "vtt")):
        add_download(name, form)


def _result(video: ServedVideo, service: Service, model: str | None) -> VideoResult:
    if video.status != DONE:
        raise ApiError("not_ready", "there are no results yet")
    (name,) = names_of(service.served.models, [model or video.models[0]])
    if name not in video.results:
        raise ApiError("not_found", "this model was not asked about the video")
    return video.results[name]


async def _receive_file(service: Service, request: Request, content_type: str) -> ServedVideo:
    claimed = request.headers.get("content-length", "")
    limit = service.limits.max_bytes
    if claimed.isdecimal() and len(claimed) < 20 and int(claimed) > limit + (1 << 20):
        raise ApiError("too_large", f"a video may have {limit >> 20} MiB here")
    expected = min(int(claimed), limit) if claimed.isdecimal() and len(claimed) < 20 else limit
    with service.registry.admitted(client_of(request.scope), (), expected) as video:
        upload = await receive_upload(request.stream(), content_type, video.path, service.limits)
        video.models = names_of(service.served.models, upload.models)
        video.name, video.media_type, video.size_bytes = upload.name, upload.media_type, upload.size_bytes
        service.registry.start(video)
        service.metrics.uploaded.inc(upload.size_bytes)
    return video


async def _receive_uri(service: Service, request: Request, content_type: str) -> ServedVideo:
    if content_type.partition(";")[0].strip().lower() != JSON:
        raise ApiError("invalid", "send multipart/form-data with a part `file`, or JSON with a `uri`")
    if not service.options.uploads.allow_uris:
        raise ApiError("uri_refused", "this service takes files alone: upload the video")
    content = await receive_text(request.stream(), service.limits)
    try:
        given = UriRequest.model_validate_json(content)
    except ValidationError as error:
        raise ApiError("invalid", _problems(error)) from error
    names = names_of(service.served.models, given.models)
    await check_uri(given.uri, allow_private=service.options.uploads.allow_private_uris)
    with service.registry.admitted(client_of(request.scope), names, 0) as video:
        video.name = name_of(given.uri)
        service.registry.start(video, partial(service.fetch, uri=given.uri))
    return video


def _add_model_routes(app: FastAPI, service: Service) -> None:
    models = service.served.models

    @app.get("/v1/models", tags=["models"], response_model=list[ModelFacts], responses=errors())
    async def list_models() -> list[dict[str, Any]]:
        """The classifiers that are served."""
        return [
            {
                "name": model.name,
                "kind": model.kind,
                "classes": list(model.trained.config.class_names),
                "step_hz": float(1 / model.step_seconds),
                "live": model.is_live,
                "live_hz": model.live_hz,
                "accuracy": model.accuracy,
                "confusions": {name: list(pairs) for name, pairs in model.confusions.items()},
                "report": None if model.report is None else f"/v1/models/{model.name}/report",
            }
            for model in models.values()
        ]

    @app.get("/v1/models/{name}/report", tags=["models"], response_class=Response, responses=errors(404, 422))
    async def show_report(name: str) -> Response:
        """The page of a model's training."""
        model = models.get(name)
        if model is None or model.report is None:
            raise ApiError("not_found", "there is no report of such a model")
        return Response(model.report, media_type="text/html", headers={"content-security-policy": REPORT_POLICY})


def _add_live_route(app: FastAPI, service: Service) -> None:
    @app.websocket("/v1/live")
    async def watch(socket: WebSocket, model: str = "") -> None:
        """A camera: JPEG frames in, the classes of the newest one out."""
        live = service.handles.live
        name = model or next(iter(live), "")
        protocol = PROTOCOL if PROTOCOL in socket.scope.get("subprotocols", ()) else None
        if name not in live or service.sessions >= service.options.guards.live_sessions:
            await socket.accept(protocol)
            await socket.close(TRY_LATER, "busy" if name in live else "not_found")
            return
        service.sessions += 1
        service.metrics.sessions.set(service.sessions)
        try:
            await socket.accept(protocol)
            config = service.served.models[name].trained.config
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

    @app.exception_handler(InputError)
    async def wrong(request: Request, error: InputError) -> JSONResponse:
        return respond(ApiError("invalid", str(error)))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return respond(ApiError("invalid", _problems(error)))

    @app.exception_handler(HTTPException)
    async def plain(request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == HTTPStatus.BAD_REQUEST:  # a body that is no text
            return respond(ApiError("invalid", str(error.detail)))
        code = CODE_OF.get(error.status_code, "invalid")
        headers = {**(error.headers or {}), "connection": "close"}
        return JSONResponse(error_body(code, str(error.detail)), status_code=error.status_code, headers=headers)

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> JSONResponse:
        logging.getLogger("framemill").error("an error in this program", exc_info=error)
        return respond(ApiError(FailureCode.INTERNAL, "an error in this service"))


def _problems(error: ValidationError | RequestValidationError) -> str:
    """What is wrong with a body: where, and why; without the values, which may be large."""
    found = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()[:5]]
    return "; ".join(found)[:500]
