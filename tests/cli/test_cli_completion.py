"""Tab: models, policies and fields are offered, and nothing of the user's is executed for it."""

import pytest
from click.shell_completion import ShellComplete

from seriatim.cli import main
from seriatim.cli._completion import MODELS
from seriatim.cli._load import built_in_models
from seriatim.cli._main import commands

FILE = """
raise SystemExit("executed")

@st.record
class Countdown:
    start: int = st.static(default=3)
    luck: float = 0.2

    def transition(self, state, control, disturbance): ...

def all_work(state, key): ...

def _hidden(): ...
"""


@pytest.fixture
def offered(tmp_path, monkeypatch):
    """What is offered where a command line ends, in a folder with a file of the user's and a run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(FILE)
    (tmp_path / "runs" / "hunt").mkdir(parents=True)
    (tmp_path / "runs" / "hunt" / "config.json").touch()

    def complete(line):
        *words, incomplete = line.split(" ")
        found = ShellComplete(commands, {}, "seriatim", "_SERIATIM_COMPLETE").get_completions(words, incomplete)
        return [item.value for item in found if item.type == "plain"]

    return complete


def test_the_names_offered_are_those_there_are():
    assert set(MODELS) == set(built_in_models())


def test_models(offered):
    assert offered("compare spiders-") == ["spiders-and-flies", "spiders-on-a-line"]
    assert offered("check re") == ["repair"]
    assert offered("run mine.py:") == ["mine.py:Countdown", "mine.py:all_work"]
    assert offered("run missing.py:") == []


def test_policies(offered):
    assert offered("compare repair --policies one") == ["one-at-a-time"]
    assert offered("compare repair --policies base,one") == ["base,one-at-a-time"]
    assert offered("compare repair --policies base,b") == []
    assert offered("compare repair --policies base,ru") == ["base,runs/hunt"]
    assert offered("compare mine.py:Countdown --policies base,a") == ["base,all_work"]
    assert offered("run repair --policy sig") == ["signalling-base", "signalling-learned"]
    assert offered("compare repair --base mine.py:a") == ["mine.py:all_work"]


def test_fields(offered):
    assert offered("compare mine.py:Countdown --set ") == ["start=", "luck="]
    assert offered("compare mine.py:Countdown --set start=3 --set ") == ["luck="]
    assert offered("compare mine.py:all_work --set k") == ["key="]
    assert offered("compare spiders-and-flies --set fly_") == ["fly_cells=", "fly_behaviour="]
    assert offered("compare --set ") == []


def test_a_shell_that_asks_gets_its_script(monkeypatch, capsys):
    monkeypatch.setenv("_SERIATIM_COMPLETE", "zsh_source")
    assert main([]) == 0
    assert "#compdef seriatim" in capsys.readouterr().out
