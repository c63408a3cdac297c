"""The routes of videos: taking them in, their results in every form, and corrections of these."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse
from pydantic import ValidationError

from cluster.serving.errors import ApiError, problems_of
from cluster.serving.fetching import check_uri, name_of
from cluster.serving.gate import client_of
from cluster.serving.models import names_of
from cluster.serving.payloads import Accepted, Correction, KeptCorrection, UriRequest, VideoState, refusals
from cluster.serving.registry import DONE, ServedVideo
from cluster.serving.results import FORMS, VideoResult
from cluster.serving.service import Service
from cluster.serving.uploads import FORM, discard, receive_text, receive_upload
from schemas.errors import InputError

JSON = "application/json"
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


def add_video_routes(app: FastAPI, service: Service) -> None:
    """Enter the routes."""
    registry = service.registry

    @app.post(
        "/v1/videos",
        tags=["videos"],
        status_code=202,
        response_model=Accepted,
        responses=refusals(408, 413, 415, 422),
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

    @app.get("/v1/videos/{id}", tags=["videos"], response_model=VideoState, responses=refusals(404, 422))
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

    @app.delete("/v1/videos/{id}", tags=["videos"], status_code=204, responses=refusals(404, 422))
    async def delete_video(id: str) -> None:
        """End the work on a video, and remove it with its results."""
        await registry.delete(id)

    @app.get("/v1/videos/{id}/media", tags=["videos"], response_class=FileResponse, responses=refusals(404, 416, 422))
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
        responses=refusals(404, 409, 422),
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

    @app.get("/v1/corrections.csv", tags=["videos"], response_class=Response, responses=refusals())
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
            responses=refusals(404, 409, 422),
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
        raise ApiError("invalid", problems_of(error)) from error
    names = names_of(service.served.models, given.models)
    await check_uri(given.uri, allow_private=service.options.uploads.allow_private_uris)
    with service.registry.admitted(client_of(request.scope), names, 0) as video:
        video.name = name_of(given.uri)
        service.registry.start(video, partial(service.fetch, uri=given.uri))
    return video
