"""leaffliction/scale/tf_config.py: valid and invalid TF_CONFIG."""

import json

import pytest

from leaffliction.scale.tf_config import read_task
from leaffliction.utils.errors import UserError

TWO = {"worker": ["a:1", "b:2"]}
WITH_CHIEF = {"chief": ["c:1"], "worker": ["a:1", "b:2"]}


@pytest.mark.parametrize("config, chief", [
    ({"cluster": TWO, "task": {"type": "worker", "index": 0}}, True),
    ({"cluster": TWO, "task": {"type": "worker", "index": 1}}, False),
    ({"cluster": WITH_CHIEF, "task": {"type": "chief", "index": 0}}, True),
    ({"cluster": WITH_CHIEF, "task": {"type": "worker", "index": 0}}, False)])
def test_the_chief_is_the_one_that_tensorflow_chooses(
        monkeypatch, config, chief):
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    assert read_task().is_chief is chief


@pytest.mark.parametrize("text", [
    None, "", " ", "{}", '{"cluster": {}}',
    '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}'
])
def test_without_other_machines_there_is_no_task(monkeypatch, text):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if text is not None:
        monkeypatch.setenv("TF_CONFIG", text)
    assert read_task() is None


@pytest.mark.parametrize("config, message", [
    ("{", "not JSON"), ("[" * 10**5, "not JSON"), ("[1]", "not a JSON object"),
    ({"cluster": TWO}, "task.type is None"),
    ({"cluster": TWO, "task": []}, "task.type is None"),
    ({"cluster": TWO, "task": {"type": [], "index": 0}}, "task.type"),
    ({"cluster": TWO, "task": {"type": "chief", "index": 0}}, "task.type"),
    ({"cluster": TWO, "task": {"type": "worker"}}, "task.index is None"),
    ({"cluster": TWO, "task": {"type": "worker", "index": 2}}, "0 to 1"),
    ({"cluster": TWO, "task": {"type": "worker", "index": -1}}, "0 to 1"),
    ({"cluster": TWO, "task": {"type": "worker", "index": True}}, "0 to 1"),
    ({"cluster": TWO | {"ps": ["c:1"]}}, "chief and worker"),
    ({"cluster": TWO | {"evaluator": ["c:1"]}}, "chief and worker"),
    ({"cluster": ["a:1"]}, "chief and worker"),
    ({"cluster": {"worker": "a:1"}}, "list of"),
    ({"cluster": {"worker": []}}, "list of"),
    ({"cluster": {"worker": ["a", "b:2"]}}, "list of"),
    ({"cluster": {"worker": ["a:0", "b:65536"]}}, "list of"),
    ({"cluster": {"worker": [1, 2]}}, "list of"),
    ({"cluster": {"worker": ["a:1", "a:1"]}}, "same address"),
    ({"cluster": {"chief": ["a:1", "b:1"]}}, "only one chief")])
def test_an_invalid_tf_config_is_an_error(monkeypatch, config, message):
    monkeypatch.setenv("TF_CONFIG", config if isinstance(config, str)
                       else json.dumps(config))
    with pytest.raises(UserError, match=message):
        read_task()
