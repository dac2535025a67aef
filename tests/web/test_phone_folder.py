"""python -m leaffliction.web.phone: the folder, without a browser."""

import gzip
import hashlib
import json
import re

import cv2
import numpy as np
import pytest
from paths import ROOT
from tar_files import pack_tar

from leaffliction.model import registry
from leaffliction.model.bundle import read_archive
from leaffliction.model.classifier import Classifier
from leaffliction.model.released import find_archive
from leaffliction.utils.errors import UserError
from leaffliction.web.phone import __main__ as command
from leaffliction.web.phone import folder as folders
from leaffliction.web.phone import litert_js

CONTENT = {litert_js.MODULE: b'import { x } ' + litert_js.IMPORT + b";",
           litert_js.LOADER: b"var ModuleFactory = 1;",
           litert_js.LIBRARY: b"\0asm" * 100}


@pytest.fixture
def npm(monkeypatch, tmp_path):
    """Stand for the npm registry; return the addresses that were asked."""
    package, asked = pack_tar(CONTENT), []

    def download(url):
        asked.append(url)
        return package
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "https://npm.example/")
    monkeypatch.setattr(registry, "download", download)
    monkeypatch.setattr(litert_js, "SHA256",
                        hashlib.sha256(package).hexdigest())
    return asked


def write(out):
    return folders.write_folder(out, read_archive(find_archive(
        "apple-grape")))


def files_below(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*") if path.is_file()}


def test_the_package_is_downloaded_once_and_verified(npm, tmp_path,
                                                     monkeypatch):
    files = litert_js.litert_files(tmp_path)
    assert npm == ["https://npm.example/@litertjs/core/-/core-2.5.3.tgz"]
    assert litert_js.litert_files(tmp_path) == files
    assert len(npm) == 1
    assert (files["litert/litert.js"]
            == b'import { x } from "../phone/wasm_library.js";')
    assert gzip.decompress(files["litert/litert.wasm.packed"]
                           ) == CONTENT[litert_js.LIBRARY]
    monkeypatch.setattr(litert_js, "SHA256", "0" * 64)
    with pytest.raises(UserError, match="wrong SHA-256"):
        litert_js.litert_files(tmp_path)


def test_the_registry_is_the_users_or_npms(monkeypatch):
    monkeypatch.delenv("NPM_CONFIG_REGISTRY", raising=False)
    monkeypatch.delenv("npm_config_registry", raising=False)
    monkeypatch.setenv("PATH", "")
    assert litert_js.npm_registry() == "https://registry.npmjs.org"
    monkeypatch.setenv("npm_config_registry", "https://npm.example/a/")
    assert litert_js.npm_registry() == "https://npm.example/a"


def test_the_folder_holds_what_the_service_worker_lists(npm, tmp_path):
    out = tmp_path / "new" / "out"
    size = write(out)
    files = files_below(out)
    assert size == sum(map(len, files.values()))
    text = files["service_worker.js"].decode()
    hashes = json.loads(re.search(r"const FILES = (\{.*?\});", text,
                                  re.DOTALL)[1])
    assert set(files) - set(hashes) == {
        "service_worker.js", "files.json", "litert/LICENSE"}
    assert hashes == {path: folders.integrity(files[path])
                      for path in hashes}
    assert folders.POLICY in text
    assert f'content="{folders.POLICY}"' in files["index.html"].decode()
    license = files["litert/LICENSE"].decode()
    assert "one export was added" in license and "Apache License" in license
    assert not list(out.parent.glob(".phone-*"))


def test_all_that_the_files_name_is_there(npm, tmp_path):
    write(tmp_path / "out")
    files = files_below(tmp_path / "out")
    for path, content in files.items():
        if path.endswith(".js") and not path.startswith("litert/litert"):
            for name in re.findall(r'(?:from|import|URL\() ?"(\.[^"]*[^/"])"',
                                   content.decode()):
                target = (tmp_path / "out" / path).parent / name
                assert target.is_file(), f"{path}: {name}"
    manifest = json.loads(files["manifest.webmanifest"])
    for image in manifest["icons"]:
        side = int(image["sizes"].split("x")[0])
        icon = cv2.imdecode(np.frombuffer(files[image["src"]], np.uint8), 1)
        assert icon.shape == (side, side, 3)
        # A leaf on light ground; the phone may cut the corners.
        is_leaf = icon.min(axis=2) < 99
        assert 0.1 < is_leaf.mean() < 0.3
        assert not is_leaf[:side // 10].any()


def test_the_model_is_that_of_the_archive(npm, tmp_path):
    write(tmp_path / "out")
    files = files_below(tmp_path / "out")
    classifier = Classifier.load("apple-grape")
    model = json.loads(files["model/model.json"])
    assert tuple(model["class_names"]) == classifier.class_names
    assert model["ood_threshold"] == classifier.description.ood_threshold
    start, count = model["arrays"]["within"]
    within = np.frombuffer(files["model/ood.bin"], "<f4", count, start)
    assert (within.reshape(classifier.ood_detector.within.shape)
            == classifier.ood_detector.within).all()
    assert model["plants"] == "apple, grape"
    assert files["model/model.tflite"] == classifier.network.content


def test_an_earlier_folder_is_replaced_whole(npm, tmp_path, monkeypatch):
    out = tmp_path / "out"
    write(out)
    files = files_below(out)
    (out / "app.js").write_text("changed")
    monkeypatch.setattr(folders, "manifest", lambda: b"{}")
    write(out)
    assert files_below(out) == files | {
        path: files_below(out)[path]
        for path in ("manifest.webmanifest", "service_worker.js")}
    assert (out / "manifest.webmanifest").read_bytes() == b"{}"


def test_a_failure_leaves_the_earlier_folder(npm, tmp_path, monkeypatch):
    out = tmp_path / "out"
    write(out)
    files = files_below(out)

    def fail(scratch):
        raise UserError("no LiteRT.js")
    monkeypatch.setattr(folders, "litert_files", fail)
    with pytest.raises(UserError, match="no LiteRT.js"):
        write(out)
    assert files_below(out) == files
    assert [path.name for path in tmp_path.iterdir()
            if path.name.startswith(".")] == []


@pytest.mark.parametrize("name", ["notes.txt", ".git/HEAD", "a/b.js"])
def test_other_files_are_never_replaced(npm, tmp_path, name):
    out = tmp_path / "out"
    write(out)
    (out / name).parent.mkdir(exist_ok=True)
    (out / name).write_text("mine")
    with pytest.raises(UserError, match=f"holds {name}, which this program"):
        write(out)
    assert (out / name).read_text() == "mine"


def test_the_command_reports_errors_in_one_line(npm, tmp_path, capsys):
    from leaffliction.utils import cli
    out = tmp_path / "out"
    assert cli.run(lambda: command.main([
        str(out), "--learnings", "apple-grape"])) == 0
    assert re.fullmatch(rf"{re.escape(str(out))}: \d\.\d MB\n",
                        capsys.readouterr().out)
    file = tmp_path / "file"
    file.touch()
    for arguments, message in (
            ([str(file), "--learnings", "apple-grape"],
             f"error: {file}: a file, not a folder\n"),
            ([str(out), "--learnings", str(file)],
             f"error: {file}: not a readable archive")):
        assert cli.run(lambda: command.main(arguments)) == 1
        assert capsys.readouterr().err.startswith(message)


def test_make_phone_runs_it_for_the_released_model():
    recipe = (ROOT / "Makefile").read_text().split("\nphone:")[1]
    assert ("-m leaffliction.web.phone phone --learnings apple-grape"
            in recipe.split("\n\n")[0])
