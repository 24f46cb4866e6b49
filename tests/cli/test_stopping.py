"""Ctrl-C, kills and --resume: what is kept and which message is printed, in real processes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tastemaker.models.factorization import implicit_library
from tests.cli import interrupting
from tests.cli.conftest import Begin, Terminal

needs_implicit = pytest.mark.skipif(
    not implicit_library.INSTALLED, reason="needs the package implicit"
)


@pytest.fixture(scope="module")
def run(clicks: Path, tmp_path_factory, begin: Begin) -> Path:
    out = tmp_path_factory.mktemp("runs") / "mf"
    typed = ("train", clicks, "--model", "mf", "--set", "epochs=1", "--out", out)
    assert begin(*typed).wait() == 0
    return out


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


VERBS: dict[str, tuple[str, str]] = {
    "inspect": ("inspect CLICKS", "nothing was written"),
    "evaluate": ("evaluate RUN --lists", "the run was not changed"),
    "similar": ("similar RUN 1 2", "the run was not changed"),
    "index": ("index RUN", "the run was not changed"),
    "recommend": ("recommend RUN --all", "nothing was written"),
    "recommend to a file": ("recommend RUN --all --out lists.parquet", "was not written"),
    "recommend a shard": ("recommend RUN --all --shard 1/2 --out new", "was not written"),
    "train": ("train CLICKS --model ease --out new", "nothing was kept"),
    "compare": ("compare CLICKS --models itemknn,ease --out new", "no model was finished"),
    "tune": ("tune CLICKS --model itemknn --out new", "no trial was completed"),
}


@pytest.mark.parametrize("verb", VERBS)
def test_ctrl_c_ends_every_long_command_with_one_line_and_no_partial_files(
    verb: str, run: Path, clicks: Path, tmp_path: Path, begin: Begin
) -> None:
    if verb == "index":
        pytest.importorskip("faiss")
    typed, kept = VERBS[verb]
    words = [{"CLICKS": str(clicks), "RUN": str(run)}.get(word, word) for word in typed.split()]
    before = files_of(run)
    done = begin(*words, folder=tmp_path, before=interrupting.at_the_first_progress).ended()
    assert done.returncode == 130, done.stderr
    assert done.stdout == ""
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: interrupted; ")
    assert kept in last
    assert "Traceback" not in done.stderr
    assert files_of(run) == before
    # A search keeps the file of its trials, with which the same command goes on.
    assert set(files_of(tmp_path)) <= {"new/manifest.json", "new/study.db"}


@pytest.mark.slow
def test_an_interrupted_demo_names_no_option_that_it_lacks(tmp_path: Path, begin: Begin) -> None:
    typed = ("demo", "--data", "synthetic", "--out", "new")
    done = begin(*typed, folder=tmp_path, before=interrupting.at_the_first_progress).ended()
    assert done.returncode == 130, done.stderr
    assert "interrupted; the same command starts from the beginning" in done.stderr
    assert "--resume" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("model", ["ials", pytest.param("bpr", marks=needs_implicit)])
def test_ctrl_c_keeps_the_epochs_that_a_model_without_checkpoints_reached(
    model: str, clicks: Path, tmp_path: Path, begin: Begin, tastemaker: Terminal
) -> None:
    out = tmp_path / "run"
    typed = ("train", clicks, "--model", model, "--set", "epochs=100000000", "--out", out)
    process = begin(*typed)
    stopped = process.stop(signal.SIGINT, lambda: "epoch 3/" in process.stderr.read_text())
    assert stopped.returncode == 130, stopped.stderr
    kept = f"was kept and saved; {model} writes no checkpoints and cannot be resumed"
    assert kept in stopped.stderr
    training = json.loads((out / "training.json").read_text())
    assert training["interrupted"]
    assert len(training["epochs"]) >= 3
    assert tastemaker("recommend", out, "--user", 1)[0] == 0
    code, _, err = tastemaker(*typed, "--resume")
    assert code == 2
    assert "there is no checkpoint to resume from" in err
    assert "its training was interrupted" in err


@pytest.mark.slow
def test_resuming_without_a_checkpoint_starts_again_with_a_message(
    clicks: Path, tmp_path: Path, begin: Begin
) -> None:
    typed = ("train", clicks, "--set", "epochs=2", "--out", tmp_path / "run")
    identity_file = tmp_path / "run.partial" / "identity.json"
    assert begin(*typed).stop(signal.SIGKILL, identity_file.exists).returncode == -signal.SIGKILL
    assert not list((tmp_path / "run.partial").glob("**/checkpoints/*"))
    resumed = begin(*typed, "--resume").ended()
    assert resumed.returncode == 0, resumed.stderr
    assert "left no checkpoint: starting with epoch 1" in resumed.stderr
    assert (tmp_path / "run" / "weights.safetensors").exists()


def test_resuming_a_finished_run_prints_a_message_and_changes_no_file(
    clicks: Path, tmp_path: Path, tastemaker: Terminal
) -> None:
    typed = ("train", clicks, "--model", "mf", "--set", "epochs=1", "--out", tmp_path / "run")
    trained = tastemaker.json(*typed)
    before = files_of(tmp_path)
    code, out, err = tastemaker(*typed, "--resume", "--json")
    assert code == 0
    assert "the run is finished, so there is nothing to resume" in err
    assert json.loads(out) == trained
    code, _, err = tastemaker(*typed, "--resume", "--set", "epochs=2")
    assert code == 2
    assert "epochs was 1 and is now 2" in err
    assert files_of(tmp_path) == before


PRE_TRAINING = (
    "--model", "neumf", "--set", "epochs=1", "--set", "gmf.epochs=2", "--set", "mlp.epochs=40",
    "--set", "mlp.batch_size=16", "--out",
)  # fmt: skip


@pytest.fixture(scope="module")
def pre_trained(clicks: Path, begin: Begin) -> bytes:
    """The weights of a model whose pre-training was never stopped."""
    out = clicks.with_name("pre-trained")
    assert begin("train", clicks, *PRE_TRAINING, out).wait() == 0
    return (out / "weights.safetensors").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_pretraining_prints_where_it_continues(
    clicks: Path, tmp_path: Path, begin: Begin, pre_trained: bytes, how: signal.Signals
) -> None:
    typed = ("train", clicks, *PRE_TRAINING, tmp_path / "run")
    checkpoint = tmp_path / "run.partial" / "mlp" / "checkpoints" / "last.safetensors"
    stopped = begin(*typed).stop(how, checkpoint.exists)
    assert stopped.returncode == {signal.SIGINT: 130, signal.SIGKILL: -9}[how], stopped.stderr
    if how == signal.SIGINT:
        assert "interrupted; run the same command with --resume to continue" in stopped.stderr
    assert not (tmp_path / "run").exists()
    resumed = begin(*typed, "--resume").ended()
    assert resumed.returncode == 0, resumed.stderr
    assert "parts of the model: gmf after epoch 2, mlp after epoch " in resumed.stderr
    assert (tmp_path / "run" / "weights.safetensors").read_bytes() == pre_trained


def test_a_progress_bar_appears_on_a_terminal_only_for_long_work(
    clicks: Path, tmp_path: Path
) -> None:
    pty = pytest.importorskip("pty", reason="needs a pseudo-terminal")
    program = """
import sys, time
from tastemaker.cli.progress import progress_bar
from tastemaker.progress import Meter
with progress_bar() as show:
    meter = Meter(show, "counting sheep", 2)
    time.sleep(float(sys.argv[1]))
    meter.advance()
"""

    def shown(seconds: float) -> str:
        parent_end, child_end = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(seconds)], stderr=child_end,
            env=os.environ | {"TERM": "xterm", "COLUMNS": "120"},
        )  # fmt: skip
        os.close(child_end)
        text = b""
        try:
            while block := os.read(parent_end, 1 << 16):
                text += block
        except OSError:  # the other end was closed
            pass
        os.close(parent_end)
        assert process.wait() == 0
        return text.decode()

    assert "counting sheep" in shown(4.0)
    assert "counting sheep" not in shown(0.0)
    elsewhere = subprocess.run(
        [sys.executable, "-c", program, "3"], capture_output=True, check=True, text=True
    )
    assert (elsewhere.stdout, elsewhere.stderr) == ("", "")
