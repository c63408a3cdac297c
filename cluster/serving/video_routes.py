"""The routes of videos: taking them in, their pictures, their results in every form, and corrections of these."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import FileResponse
from pydantic import ValidationError

from cluster.serving.bodies import FORM, UPLOAD_PATH, claimed_bytes
from cluster.serving.corrections import manifest_of
from cluster.serving.errors import ApiError, problems_of
from cluster.serving.fetching import name_of
from cluster.serving.gate import client_of
from cluster.serving.models import names_of
from cluster.serving.payloads import Accepted, Correction, KeptCorrection, Seconds, UriRequest, VideoState, refusals
from cluster.serving.registry import DONE, ServedVideo
from cluster.serving.results import MEDIA_TYPES
from cluster.serving.service import Service
from cluster.serving.uploads import Upload, receive_upload

JSON, CSV = "application/json", "text/csv; charset=utf-8"
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
        UPLOAD_PATH,
        tags=["videos"],
        status_code=202,
        response_model=Accepted,
        responses=refusals(408, 413, 415, 422, 507),
        openapi_extra=VIDEO_BODY,
    )
    async def add_video(request: Request, response: Response) -> dict[str, str]:
        """Take in a video: a file, or the address of one."""
        content_type = request.headers.get("content-type", "")
        receive = _receive_file if content_type.lower().startswith(FORM) else _receive_uri
        video = await receive(service, request, content_type)
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
            "place": registry.place(video),
            "progress": round(video.progress, 3),
            "error": None if video.error is None else {"code": video.error[0], "message": video.error[1]},
            "duration_seconds": video.seconds,
            "codec": video.codec,
            "expires_at": None if video.expires_at is None else video.expires_at.isoformat(timespec="seconds"),
            **await asyncio.to_thread(service.plain_results, video),
            "corrections": list(map(asdict, video.corrections)),
        }

    @app.delete("/v1/videos/{id}", tags=["videos"], status_code=204, responses=refusals(404, 422))
    async def delete_video(id: str) -> None:
        """End the work on a video, and remove it with its results."""
        await registry.delete(id)

    @app.get("/v1/videos/{id}/media", tags=["videos"], response_class=FileResponse, responses=refusals(404, 416, 422))
    async def show_media(id: str) -> FileResponse:
        """The video itself, as it was sent; with ranges, for players."""
        video = registry.get(id)
        path = _file_of(video)
        return FileResponse(path, media_type=video.media_type, headers={"content-security-policy": MEDIA_POLICY})

    @app.get("/v1/videos/{id}/frame.jpg", tags=["videos"], response_class=Response, responses=refusals(404, 422))
    async def show_frame(id: str, seconds: Annotated[Seconds, Query(examples=[2.5])] = 0.0) -> Response:
        """The picture at a time, for pages whose browser cannot play the video; after its end, the last one."""
        video = registry.get(id)
        _file_of(video)
        return Response(await service.stills.at(video, seconds), media_type="image/jpeg")

    @app.post(
        "/v1/videos/{id}/corrections",
        tags=["videos"],
        status_code=201,
        response_model=KeptCorrection,
        responses=refusals(404, 408, 409, 413, 422, 507),
    )
    async def correct(id: str, correction: Correction) -> dict[str, Any]:
        """Say which label a part of a video should have: it is kept for the next training."""
        video = registry.get(id)
        if video.status != DONE:
            raise ApiError("not_ready", "there is nothing to correct yet")
        (model,) = names_of(service.served.models, [correction.model])
        part = await service.correct(video, model, correction.start_seconds, correction.end_seconds, correction.label)
        return asdict(part)

    @app.get(
        "/v1/videos/{id}/corrections.csv", tags=["videos"], response_class=Response, responses=refusals(404, 409, 422)
    )
    async def show_own_corrections(id: str) -> Response:
        """The corrections of a video, as a manifest for training that lies beside the video."""
        video = registry.get(id)
        if video.sha256 is None or not video.corrections:
            raise ApiError("not_ready", "nothing has been corrected yet")
        headers = {"content-disposition": 'attachment; filename="corrections.csv"'}
        return Response(manifest_of(video.corrections, video.sha256, video.name), media_type=CSV, headers=headers)

    @app.get("/v1/corrections.csv", tags=["videos"], response_class=Response, responses=refusals(404))
    async def show_corrections() -> Response:
        """All corrections that are kept, as a manifest that training takes, with the videos in a folder beside it."""
        if service.corrections is None:
            raise ApiError("not_found", "corrections are kept with their videos here: /v1/videos/{id}/corrections.csv")
        return Response(await asyncio.to_thread(service.corrections.manifest), media_type=CSV)

    def add_download(name: str, media_type: str) -> None:
        @app.get(
            f"/v1/videos/{{id}}/{name}",
            tags=["videos"],
            name=name,
            response_class=Response,
            responses=refusals(404, 409, 422),
        )
        async def download(id: str, model: str | None = None) -> Response:
            """The results of one model, by default of the first that has this file, in the form of the jobs."""
            write = _writer(registry.get(id), service, model, name)
            content = await asyncio.to_thread(write)
            headers = {"content-disposition": f'attachment; filename="{name}"'}
            return Response(content, media_type=media_type, headers=headers)

    for name, media_type in MEDIA_TYPES.items():
        add_download(name, media_type)


def _writer(video: ServedVideo, service: Service, model: str | None, name: str) -> Callable[[], bytes]:
    """What gives the content of a file of results. Raises `ApiError`, and `InputError` for an unknown model."""
    if video.status != DONE:
        raise ApiError("not_ready", "there are no results yet")
    wanted = video.models if model is None else names_of(service.served.models, [model])
    results = [video.results[each] for each in wanted if each in video.results]
    if not results:
        raise ApiError("not_found", "this model was not asked about the video")
    for result in results:
        if name in result.files:
            return result.files[name]
    known = dict.fromkeys(file for result in results for file in result.files)
    there_is = f", but {', '.join(known)}" if known else ""
    raise ApiError("not_found", f"{', '.join(wanted)} gave no {name} of this video{there_is}")


def _file_of(video: ServedVideo) -> Path:
    """Its file. Raises `ApiError` while there is none."""
    if not video.size_bytes or not video.path.is_file():
        raise ApiError("not_found", "the video is not here yet")
    return video.path


async def _receive_file(service: Service, request: Request, content_type: str) -> ServedVideo:
    limit = service.limits.max_bytes
    claimed = claimed_bytes(request.headers)
    with service.registry.admitted(client_of(request.scope), (), limit if claimed is None else claimed) as video:
        upload = await receive_upload(request.stream(), content_type, video.path, limit)
        video.models = names_of(service.served.models, upload.models)
        video.name, video.media_type, video.size_bytes = upload.name, upload.media_type, upload.size_bytes
        service.registry.start(video)
        service.metrics.uploaded.inc(upload.size_bytes)
    return video


async def _receive_uri(service: Service, request: Request, content_type: str) -> ServedVideo:
    if content_type.partition(";")[0].strip().lower() != JSON:
        raise ApiError("invalid", "send multipart/form-data with a part `file`, or JSON with a `uri`")
    fetcher = service.fetcher
    if fetcher is None:
        raise ApiError("uri_refused", "this service takes files alone: upload the video")
    try:
        given = UriRequest.model_validate_json(await request.body())
    except ValidationError as error:
        raise ApiError("invalid", problems_of(error)) from error
    names = names_of(service.served.models, given.models)
    await fetcher.check(given.uri)

    async def fetch(video: ServedVideo) -> Upload:
        return await fetcher.fetch(given.uri, video.path)

    with service.registry.admitted(client_of(request.scope), names, service.limits.max_bytes) as video:
        video.name = name_of(given.uri)
        service.registry.start(video, fetch)
    return video
