"""The server of the page, from the socket on: what it answers to whom."""

import base64
import copy
import json
import re

import cv2
import numpy as np
import pytest
from serving import (ANOTHER_DEVICE, JSON, Client, photograph, read_all,
                     refused, send)
from tiny import CLASS_NAMES

from leaffliction import __version__
from leaffliction.prediction.languages import FOLDER as TEXTS
from leaffliction.web import handlers, request_handler, server
from leaffliction.web.handlers import CONTENT_TYPES
from leaffliction.web.page_files import STATIC
from leaffliction.web.request_handler import HEADERS


# What it answers.

def test_a_photograph_is_answered_as_the_page_expects(page):
    colour = photograph()
    response = page.client("POST", "/api/predict", colour, name="a é.jpg")
    assert (response.status, response.headers["content-type"]) == (200, JSON)
    answer = response.json
    prediction = page.classifier.predict_image(cv2.imdecode(
        np.frombuffer(colour, np.uint8), cv2.IMREAD_COLOR_RGB))
    assert [(entry["name"], entry["probability"])
            for entry in answer["classes"]] == [
        (name, share) for name, share in prediction.top(3)]
    assert (answer["model"], answer["name"]) == ("tiny", "a é.jpg")
    assert answer["known"] == prediction.known
    for name in ("photograph", "class_map"):
        kind, _, content = answer["views"][name].partition(",")
        assert kind == "data:image/jpeg;base64"
        pixels = np.frombuffer(base64.b64decode(content), np.uint8)
        assert cv2.imdecode(pixels, cv2.IMREAD_COLOR).shape == (24, 24, 3)


@pytest.mark.parametrize("content", [
    b"", b"a text\n", photograph()[:200], b"\x00" * 100,
    b"<svg xmlns='http://www.w3.org/2000/svg'/>"])
def test_what_is_no_photograph_is_one_sentence(page, content):
    response = page.client("POST", "/api/predict", content)
    assert refused(response, 422, "unreadable")
    assert "not a readable image" in response.json["error"]


def test_the_name_of_the_photograph_is_text_and_no_path(page):
    for name in ("../../etc/passwd", "<script>", "x" * 1000, ""):
        answer = page.client("POST", "/api/predict", photograph(),
                             name=name).json
        assert answer["name"] == name[:200]


def test_the_page_hears_of_models_and_limits(page):
    answer = page.client("GET", "/api/models").json
    assert [language["code"] for language in answer.pop("languages")]
    assert answer == {
        "version": __version__, "max_bytes": 64 << 20, "parallel": 2,
        "corrections": True, "local": True,
        "models": [{"name": "tiny", "classes": list(CLASS_NAMES)}]}


@pytest.mark.parametrize("method, path", [
    ("POST", "/api/predict"), ("POST", "/api/corrections")])
@pytest.mark.parametrize("model", ["other", "../tiny", "", "tiny.zip"])
def test_an_unknown_model_is_one_error(page, method, path, model):
    response = page.client(method, path, photograph(), model=model,
                           **{"class": "Apple_scab"})
    assert refused(response, 404, "model")


def test_the_files_of_the_page_are_served_unchanged(page):
    files = {path.relative_to(STATIC).as_posix(): path
             for path in STATIC.rglob("*") if path.is_file()} | {
        f"texts/{path.name}": path for path in TEXTS.glob("*.json")}
    assert {"index.html", "texts/en.json"} <= set(files)
    with page.client.connect() as connection:
        for name, path in files.items():
            response = send(connection, "GET", f"/{name}")
            assert response.status == 200
            assert response.body == path.read_bytes()
            assert response.headers["content-type"] == (
                CONTENT_TYPES[path.suffix])
    assert page.client("GET", "/").body == files["index.html"].read_bytes()


def test_an_unchanged_file_is_not_sent_again(page):
    etag = page.client("GET", "/").headers["etag"]
    again = page.client("GET", "/", headers={"If-None-Match": etag})
    assert (again.status, again.body) == (304, b"")


def test_a_head_request_gets_no_body(page):
    response = page.client("HEAD", "/")
    assert (response.status, response.body) == (200, b"")
    assert int(response.headers["content-length"]) == len(
        page.client("GET", "/").body)


# Corrections.

def test_a_correction_is_counted_and_taken_back(page):
    def correct(seed, said):
        response = page.client("POST", "/api/corrections", photograph(seed),
                               name="=1.jpg", **{"class": said})
        assert response.status == 200
        return response.json

    first = correct(1, "apple scab")
    assert first["state"]["counts"] == {"Apple_scab": 1}
    second = correct(2, "not_a_leaf")
    assert correct(1, "Plum pox")["id"] == first["id"]
    state = page.client("GET", "/api/corrections").json
    assert (state["counts"], state["not_a_leaf"]) == ({"Plum pox": 1}, 1)
    for _ in range(2):
        response = page.client("POST", "/api/corrections/undo",
                               id=second["id"])
        assert response.json["state"]["not_a_leaf"] == 0
    folder = page.site.corrections.folder
    assert {path.relative_to(folder).as_posix() for path in
            folder.rglob("*.jpg")} == {
        f"Plum pox/{first['id']}.jpg", f".undone/Apple_scab/{first['id']}.jpg",
        f".undone/not_a_leaf/{second['id']}.jpg"}
    header, row, *_ = (folder / "corrections.csv").read_text().splitlines()
    # As this model predicts the file, whatever the browser remembers.
    prediction = page.client("POST", "/api/predict", photograph(1)).json
    assert row.split(",")[1:] == [
        "Apple_scab", f"Apple_scab/{first['id']}.jpg", "'=1.jpg",
        prediction["classes"][0]["name"],
        f"{prediction['classes'][0]['probability']:.6f}",
        "yes" if prediction["known"] else "no", "tiny", "0123abcd"]


@pytest.mark.parametrize("said", [
    "../../x", "/etc", ".hidden", ".undone", "..", "images", "x" * 200,
    "C:\\x", "a\u202eb", ""])
def test_a_name_that_is_no_class_writes_nothing(page, said, tmp_path):
    response = page.client("POST", "/api/corrections", photograph(),
                           **{"class": said})
    assert refused(response, 422, "correction")
    assert "cannot be the name of a class" in response.json["error"]
    assert list(tmp_path.iterdir()) == []


def test_control_characters_in_a_class_become_spaces(page):
    page.client("POST", "/api/corrections", photograph(),
                **{"class": "a\0b\n"})
    assert page.client("GET", "/api/corrections").json["counts"] == {"a b": 1}


def test_a_correction_without_class_or_photograph_is_refused(page, tmp_path):
    assert refused(page.client("POST", "/api/corrections", photograph()),
                   400, "request")
    assert refused(page.client("POST", "/api/corrections/undo"), 400,
                   "request")
    assert refused(page.client("POST", "/api/corrections", b"text",
                               **{"class": "Apple_scab"}), 422, "correction")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_one_sentence(page, tmp_path):
    (tmp_path / "corrections").touch()
    response = page.client("POST", "/api/corrections", photograph(),
                           **{"class": "Apple_scab"})
    assert refused(response, 422, "correction")
    assert "cannot be written" in response.json["error"]


# To take along.

@pytest.mark.parametrize("path, kind, name", [
    ("/api/report", "text/html; charset=utf-8", "report.html"),
    ("/api/csv", "text/csv; charset=utf-8", "predictions.csv")])
def test_what_the_page_shows_is_a_file_to_save(page, path, kind, name):
    row = page.client("POST", "/api/predict", photograph(),
                      name="<script>.jpg").json
    row["thumbnail"] = row.pop("views")["photograph"]
    response = page.client("POST", path, json.dumps({"rows": [row]}).encode(),
                           lang="fr")
    assert response.status == 200
    assert response.headers["content-type"] == kind
    assert response.headers["content-disposition"] == (
        f'attachment; filename="{name}"')
    text = response.body.decode()
    if path == "/api/csv":
        assert text.startswith("file,class,") and "<script>.jpg,Apple" in text
    else:
        # In French, and the file's name as text.
        assert "Tavelure du pommier" in text and row["thumbnail"] in text
        assert "&lt;script&gt;.jpg" in text and "<script" not in text
    assert refused(page.client("POST", path, b"{}"), 422, "request")


# Who is answered.

@pytest.mark.parametrize("path", ["/", "/api/models", "/api/corrections"])
@pytest.mark.parametrize("headers", [
    {"Host": "evil.example:PORT"}, {"Host": "evil.example"},
    {"Host": "127.0.0.1:1"}, {"Host": "127.0.0.1"},
    {"Host": "127.0.0.3:PORT"}, {"Host": "192.168.1.5:PORT"},
    {"Origin": "http://evil.example"}, {"Origin": "null"},
    {"Origin": "http://localhost:PORT"},
    {"Origin": "https://127.0.0.1:PORT"}])
def test_requests_from_elsewhere_are_refused(page, path, headers):
    headers = {name: value.replace("PORT", str(page.site.port))
               for name, value in headers.items()}
    for method in ("GET", "POST"):
        response = page.client(method, path, headers=headers)
        assert response.status == 403
        assert b"does not come from the page" in response.body
    # Nor is the body of such a request read.
    head = page.client.head("POST", "/api/predict", "Content-Length: 1000",
                            "Origin: null")
    with page.client.socket(head) as stream:
        assert read_all(stream).startswith(b"HTTP/1.1 403 ")


def test_the_own_page_is_answered(page):
    here = f"127.0.0.1:{page.site.port}"
    for headers in ({"Host": here}, {"Origin": f"http://{here}"},
                    {"Host": f"localhost:{page.site.port}",
                     "Origin": f"http://localhost:{page.site.port}"}):
        assert page.client("GET", "/api/models", headers=headers).status == 200


def test_a_name_of_this_computer_is_one_that_the_user_gave(serve):
    page = serve(names=frozenset({"leaf.lan"}))
    for name, status in (("leaf.lan", 200), ("LEAF.lan", 200),
                         ("other.lan", 403)):
        host = f"{name}:{page.site.port}"
        assert page.client("GET", "/", headers={"Host": host}).status == (
            status)


def test_without_a_host_there_is_no_answer_but_an_error(page):
    assert page.client.raw(b"GET / HTTP/1.1\r\n\r\n") == (
        b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert page.client.raw(b"GET / HTTP/1.0\r\n\r\n").startswith(
        b"HTTP/1.1 403 ")


@pytest.fixture
def phone(serve, monkeypatch):
    """Return a Page that is advertised, and a client on another device."""
    monkeypatch.setattr(request_handler, "is_same_computer",
                        lambda client, address: client != ANOTHER_DEVICE)
    page = serve(advertised="http://192.168.1.5:8000")
    return page, Client(page.site.port, ANOTHER_DEVICE)


def test_another_device_needs_the_token_of_the_code(phone):
    page, other = phone
    for path in ("/", "/api/models", "/api/phone", "/style.css", "/s/x/",
                 f"/s/{page.site.sessions.token}/"):
        response = other("GET", path)
        assert response.status == 403
        assert b"scan the QR code" in response.body
    assert refused(other("POST", "/api/predict", photograph()), 403,
                   "forbidden")
    assert other("POST", "/api/corrections/undo", id="x").status == 403
    code = page.client("GET", "/api/phone").json
    assert code["address"] == (
        f"http://192.168.1.5:8000/join/{page.site.sessions.token}")
    assert code["qr"].startswith("<svg ")
    path = code["address"].removeprefix("http://192.168.1.5:8000")
    for wrong in (path + "x", path[:-1], "/join/x", "/join/%C3%A9"):
        assert other("GET", wrong).status == 403
    # Only asked for the head of it, as by a preview of links.
    assert other("HEAD", path).status == 405
    joined = other("GET", path)
    assert joined.status == 303
    base = joined.headers["location"]
    assert re.fullmatch(r"/s/[\w-]{22}/", base)
    assert base.encode() not in joined.body

    assert other("GET", base).status == 200
    assert other("GET", base + "api/models").json["local"] is False
    answer = other("POST", base + "api/predict", photograph())
    assert answer.json["model"] == "tiny"
    # But the code for a third device is shown on the computer alone.
    assert refused(other("GET", base + "api/phone"), 403, "forbidden")
    assert other("GET", "/api/models").status == 403
    # The token is used up, and the page shows another one.
    assert other("GET", path).status == 403
    assert b"has been used" in other("GET", path).body
    assert page.client("GET", "/api/phone").json["address"] != code["address"]


def test_another_device_is_also_asked_for_host_and_origin(phone):
    page, other = phone
    session = page.site.sessions.join(page.site.sessions.token)
    for headers in ({"Host": "evil.example"}, {"Origin": "null"}):
        for path in (f"/s/{session}/api/models",
                     f"/join/{page.site.sessions.token}"):
            assert other("GET", path, headers=headers).status == 403
    assert other("GET", f"/s/{session}/api/models").status == 200


def test_on_this_computer_alone_there_is_no_code(page):
    assert page.client("GET", "/api/phone").json == {"address": None}


# Odd requests.

@pytest.mark.parametrize("path", [
    "/../handlers.py", "/%2e%2e/handlers.py", "/..%2fhandlers.py", "//",
    "//evil.example/", "/texts/../../handlers.py", "/texts/", "/texts",
    "/texts/%2e%2e/en.json", "/./index.html", "/index.html%00", "/%00",
    "/index.html/", "/INDEX.HTML", "/" + "x" * 20000, "/%0a", "/api",
    "/api/", "/api/models/", "/api/other", "/s/x/s/x/", "/\\index.html",
    "/etc/passwd", "/%2fetc%2fpasswd", "/favicon.ico", "/%252e%252e/"])
def test_no_path_leads_to_another_file(page, path):
    for method in ("GET", "HEAD"):
        assert page.client(method, path).status == 404
    assert page.client("POST", path).status == 405


@pytest.mark.parametrize("path", ["/%ff", "/%c3%28", "/s/%ff/"])
def test_a_path_that_is_no_text_is_refused(page, path):
    assert page.client("GET", path).status in (400, 404)


# (method, path): at least one for each way to answer.
ANSWERS = {
    ("GET", "/"): 200, ("HEAD", "/"): 200, ("GET", "/texts/en.json"): 200,
    ("GET", "/api/models"): 200, ("GET", "/api/corrections"): 200,
    ("GET", "/api/phone"): 200, ("GET", "/missing"): 404,
    ("GET", "/join/x"): 403, ("GET", "/%ff"): 400,
    ("POST", "/api/corrections/undo"): 400, ("POST", "/api/predict"): 422,
    ("POST", "/api/predict?model=x"): 404, ("GET", "/api/predict"): 405,
    ("POST", "/api/report"): 422, ("POST", "/api/csv"): 422,
    ("POST", "/"): 405, ("PUT", "/api/predict"): 405,
    ("DELETE", "/api/corrections"): 405, ("OPTIONS", "/api/predict"): 405,
    ("PATCH", "/"): 405, ("TRACE", "/"): 405, ("CONNECT", "/"): 405,
    ("FOO", "/api/models"): 405}


@pytest.mark.parametrize("method, path", ANSWERS)
def test_every_answer_keeps_the_page_to_itself(page, method, path):
    response = page.client(method, path, b"" if method == "POST" else None)
    assert response.status == ANSWERS[method, path]
    for name, value in HEADERS.items():
        if name != "Cache-Control":
            assert response.headers[name.lower()] == value
    assert response.headers["cache-control"] == (
        "no-cache" if response.status == 200
        and path in ("/", "/texts/en.json") else "no-store")
    assert not {"set-cookie", "server", "access-control-allow-origin",
                "x-powered-by"} & set(response.headers)
    if response.status >= 400 and path.startswith("/api/"):
        assert set(response.json) == {"error", "code"}


def test_the_policy_allows_nothing_from_elsewhere_and_nothing_inline():
    policy = dict(directive.split(" ", 1) for directive in
                  HEADERS["Content-Security-Policy"].split("; "))
    assert policy.pop("img-src") == "'self' data: blob:"
    assert policy.pop("default-src") == "'none'"
    assert policy == dict.fromkeys(
        ("script-src", "style-src", "connect-src"), "'self'") | dict.fromkeys(
        ("base-uri", "form-action", "frame-ancestors"), "'none'")


@pytest.mark.parametrize("content", [
    b"garbage\r\n\r\n", b"GET /\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    b"GET / HTTP/1.1\r\nHost\r\n\r\n", b"\r\n\r\n", b"", b"G", b"\xff" * 9999,
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20000 + b"\r\n",
    b"GET /" + b"x" * 100000 + b" HTTP/1.1\r\n\r\n"])
def test_what_is_no_request_is_no_answer(page, content):
    answer = page.client.raw(content, end=True)
    assert answer in (b"", b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert page.client("GET", "/").status == 200


@pytest.mark.parametrize("headers", [
    ("Content-Length: -1",), ("Content-Length: x",),
    ("Content-Length: 5, 6",), ("Content-Length: \u0663".encode().decode(
        "latin-1"),),
    ("Content-Length: 5", "Transfer-Encoding: chunked"),
    ("Transfer-Encoding: gzip",), ("Transfer-Encoding: chunked, chunked",)])
def test_a_body_of_unclear_length_is_no_request(page, headers):
    head = page.client.head("POST", "/api/predict", *headers)
    answer = page.client.raw(head + b"12345")
    assert answer == b"HTTP/1.1 400 Bad Request\r\n\r\n"


def test_http_1_0_is_answered_and_closed(page):
    answer = page.client.raw(
        b"GET /api/models HTTP/1.0\r\nHost: 127.0.0.1:%d\r\n\r\n"
        % page.site.port)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK") and json.loads(body)["local"]


def test_a_connection_serves_many_requests(page):
    with page.client.connect() as connection:
        for seed in range(3):
            assert send(connection, "POST", "/api/predict", photograph(seed)
                        ).status == 200
            first = connection.sock
            assert send(connection, "POST", "/api/predict", b"text"
                        ).status == 422
            assert connection.sock is first is not None


def test_requests_sent_at_once_are_answered_in_turn(page):
    models = page.client.head("GET", "/api/models")
    last = page.client.head("GET", "/", "Connection: close")
    with page.client.socket(models + page.client.post(photograph()) + last
                            ) as stream:
        answer = read_all(stream)
    assert [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]] == (
        [b"200"] * 3)


def test_a_bug_is_one_line_and_an_error_for_the_page(
        page, monkeypatch, capsys):
    monkeypatch.setattr(handlers, "predict_upload", lambda *_: 1 / 0)
    response = page.client("POST", "/api/predict", photograph())
    assert refused(response, 500, "request")
    assert capsys.readouterr().err == (
        "error: internal error, please report it: "
        "ZeroDivisionError('division by zero')\n")


@pytest.mark.parametrize("environment, platform, screen", [
    ({}, "linux", False), ({"DISPLAY": ":0"}, "linux", True),
    ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True), ({}, "darwin", True)])
def test_the_browser_is_opened_where_there_is_a_screen(
        serve, monkeypatch, environment, platform, screen):
    opened = []
    monkeypatch.setattr(server.webbrowser, "open", opened.append)
    monkeypatch.setattr(server.sys, "platform", platform)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    page = serve(open_browser=True)
    address = f"http://127.0.0.1:{page.site.port}/"
    assert opened == [address] * screen


def test_models_are_named_like_their_files(page):
    def loaded(*archives):
        classifiers = []
        for archive in archives:
            classifiers.append(copy.copy(page.classifier))
            classifiers[-1].archive = archive
        return list(server.menu_names(classifiers))

    assert loaded("apple-grape", "a/mine.zip") == ["apple-grape", "mine.zip"]
    assert loaded("a/mine.zip", "b/mine.zip", "c.zip") == [
        "a/mine.zip", "b/mine.zip", "c.zip"]
