"""A stand-in for the Hugging Face hub on this machine: as much of it as downloads ask for."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tradeoff.data import hub

REVISION = "5" * 40


class StandIn(ThreadingHTTPServer):
    """Serves dataset repositories, the same files at each of a few commits.

    files: name -> bytes, of every repository but those in `others`. commits: what its history lists.
    asked: (method, path, Range header) of every request.
    cuts: how many of the next downloads break off in the middle.
    down: answer 503 to every request for a path with these letters.
    """

    def __init__(self, files):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.asked, self.cuts, self.down = files, [], 0, None
        self.others, self.commits = {}, [REVISION, "5" * 39 + "6"]


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.answer(with_body=True)

    def do_HEAD(self):
        self.answer(with_body=False)

    def answer(self, with_body):
        server, path = self.server, self.path.split("?")[0]
        server.asked.append((self.command, path, self.headers.get("Range")))
        if server.down is not None and server.down in path:
            return self.reply(503, b"", {}, with_body)
        if path.endswith("/commits/main"):
            commit = {"authors": [], "date": "2024-05-13T00:00:00.000Z", "title": "", "message": ""}
            body = json.dumps([commit | {"id": each} for each in server.commits])
            return self.reply(200, body.encode(), {"Content-Type": "application/json"}, with_body)
        files = next((held for name, held in server.others.items() if name in path), server.files)
        revision = next((each for each in server.commits if f"/{each}" in path), None)
        if revision is None:
            return self.reply(404, b"", {"X-Error-Code": "RevisionNotFound"}, with_body)
        if "/api/" in path:
            listing = [
                {"type": "file", "path": name, "size": len(content), "oid": "0"}
                for name, content in files.items()
            ]
            info = {"id": "any/repository", "sha": revision, "siblings": [{"rfilename": n} for n in files]}
            body = json.dumps(listing if "/tree/" in path else info).encode()
            return self.reply(200, body, {"Content-Type": "application/json"}, with_body)
        content = files[path.split(f"/resolve/{revision}/")[1]]
        headers = {"ETag": f'"{len(content)}"', "X-Repo-Commit": revision, "Accept-Ranges": "bytes"}
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        return self.reply(206 if start else 200, content[start:], headers, with_body)

    def reply(self, status, body, headers, with_body):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": len(body)}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if not with_body:
            return
        if "ETag" in headers and self.server.cuts:
            self.server.cuts -= 1
            body = body[: len(body) // 2]
        self.wfile.write(body)


@contextmanager
def serving(files, monkeypatch, folder):
    """Serve files as the hub to all that is downloaded meanwhile; what the hub's client keeps lies in `folder`."""
    server = StandIn(files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", url)
    template = url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder / "cache"))
    monkeypatch.setenv("HF_XET_CACHE", str(folder / "xet"))
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1000)
    monkeypatch.setattr(hub, "PAUSE", 0.0)
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    yield server
    server.shutdown()
    server.server_close()


def downloads(server):
    """Return the names of the files that were asked for, in order."""
    return [
        path.split("/")[-1] for method, path, _ in server.asked if method == "GET" and "/resolve/" in path
    ]
