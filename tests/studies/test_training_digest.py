"""What decides a training changes its digest, and nothing else does."""

import sys

import pytest

from project.studies import training_digest
from project.studies.training_digest import digest_of, own_code

NET = "from torch import nn\n\n\nclass Net(nn.Flatten):\n    pass\n"


def complete(network="project.networks.MLP", source="project.datasets.tables.Tables", **init_args):
    return {
        "model": {"network": {"class_path": network}},
        "data": {"source": {"class_path": source, "init_args": init_args}},
    }


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("own_net", "own_package", "half", "layers", "deeper"):  # other tests have modules of these names
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


@pytest.mark.parametrize(
    "imported", ["import layers", "from layers import WIDTH", "def late():\n    import layers.deep"]
)
@pytest.mark.parametrize("where", ["layers.py", "layers/deep.py"])
def test_what_a_person_s_own_code_imports_decides_too(where, imported, here):
    (here / "own_package").mkdir()
    (here / "own_package" / "net.py").write_text(f"{imported}\n{NET}")
    layers = here / where
    layers.parent.mkdir(exist_ok=True)
    layers.write_text("import deeper, torch, numpy, json, project\nWIDTH = 8\n")
    (here / "deeper.py").write_text("DEPTH = 1\n")
    own = complete("own_package.net.Net")
    before = digest_of(own, [])
    layers.write_text(layers.read_text().replace("8", "1"))
    changed = digest_of(own, [])
    (here / "deeper.py").write_text("DEPTH = 2\n")
    assert len({before, changed, digest_of(own, [])}) == 3
    assert own_code(own) == {here / "own_package" / "net.py", layers, here / "deeper.py"}


def test_others_code_decides_nothing_and_what_is_no_python_is_passed_over(here):
    (here / "own_net.py").write_text(f"import __main__, own_net, torch, nowhere\n{NET}")
    (here / "half.py").write_text("def broken(:\n")
    plain = digest_of(complete(), [])
    assert own_code(complete("own_net.Net")) == {here / "own_net.py", here / "half.py"}
    assert digest_of(complete(), []) == plain, "a network of ours is not retrained for it"


@pytest.mark.parametrize("library", ["torch", "torchvision", "pytorch_lightning", "torchmetrics"])
def test_another_version_of_a_library_decides(library, monkeypatch):
    before, known = digest_of(complete(), []), training_digest.version
    monkeypatch.setattr(training_digest, "version", lambda name: "99" if name == library else known(name))
    assert digest_of(complete(), []) != before


def test_a_file_below_a_person_s_home_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "images.zip").write_bytes(b"1")
    before = digest_of(complete(path="~/images.zip"), [])
    (tmp_path / "images.zip").write_bytes(b"22")
    assert digest_of(complete(path="~/images.zip"), []) != before


def test_a_download_or_a_file_beside_it_decides_nothing(tmp_path):
    downloaded = complete(source="project.datasets.downloaded.CIFAR10", root=str(tmp_path / "data"))
    before = digest_of(downloaded, [])
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "cifar-10-python.tar.gz").write_bytes(b"1")
    assert digest_of(downloaded, []) == before


def test_how_numbers_are_taken_decides(monkeypatch, tmp_path):
    before, measured = digest_of(complete(), []), digest_of(complete(), ["signal"])
    changed = tmp_path / "measurements.py"
    changed.write_text("")
    monkeypatch.setattr(training_digest, "MEASURING", changed)
    assert digest_of(complete(), []) == before != measured != digest_of(complete(), ["signal"])
    changed = tmp_path / "one_training.py"
    changed.write_text("")
    monkeypatch.setattr(training_digest, "ONE_TRAINING", changed)
    assert digest_of(complete(), []) != before
