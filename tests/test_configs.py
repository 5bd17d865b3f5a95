"""Overlays: every one touches its own family only, and they compose in every order to the same settings."""

from itertools import combinations, permutations
from pathlib import Path

import pytest
import yaml

from project.cli import complete_config

CONFIGS = Path("configs")
FAMILIES = {
    "optimization": {"model.optimizer", "model.scheduler"},
    "regularization": {"model.regularization+", "data.augmentation+"},
    "initialization": {"model.initialization"},
    "normalization": {"model.normalization"},
}
OVERLAYS = {family: sorted((CONFIGS / family).glob("*.yaml")) for family in FAMILIES}


def compose(*overlays, options=()):
    """The settings of `configs/base.yaml` with overlays; the lists of strategies sorted, since their order means nothing."""
    args = [arg for path in (CONFIGS / "base.yaml", *overlays) for arg in ("--config", str(path))]
    settings = yaml.safe_load(complete_config([*args, *options]))
    for section, key in (("model", "regularization"), ("data", "augmentation")):
        settings[section][key].sort(key=str)
    return settings


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.yaml")), ids=str)
def test_first_comment_says_what_it_is_for_when_to_use_it_and_how(path):
    comment = [line for line in path.read_text().splitlines() if line.startswith("#")]
    assert len(comment) >= 2
    if path.parent.name in FAMILIES:
        assert "Use it" in " ".join(comment)
        assert comment[-1] == f"#   python main.py fit --config configs/base.yaml --config {path}"


@pytest.mark.parametrize(("family", "path"), [(f, p) for f in FAMILIES for p in OVERLAYS[f]], ids=str)
def test_an_overlay_touches_its_own_family_only(family, path):
    overlay = yaml.safe_load(path.read_text())
    touched = {f"{section}.{key}" for section, keys in overlay.items() for key in keys}
    assert touched <= FAMILIES[family]


@pytest.mark.parametrize(("one", "other"), list(combinations(FAMILIES, 2)), ids=str)
def test_every_pair_across_families_composes_in_either_order(one, other):
    for a in OVERLAYS[one]:
        for b in OVERLAYS[other]:
            assert compose(a, b) == compose(b, a), (a, b)


def test_all_four_families_compose_in_every_order_to_the_quickstart():
    defaults = [CONFIGS / family / "default.yaml" for family in FAMILIES]
    composed = [compose(*order) for order in permutations(defaults)]
    assert all(settings == composed[0] for settings in composed)
    quickstart = yaml.safe_load(complete_config(["--config", str(CONFIGS / "quickstart.yaml")]))
    for section, key in (("model", "regularization"), ("data", "augmentation")):
        quickstart[section][key].sort(key=str)
    assert quickstart == composed[0]


def test_a_replaced_class_leaves_no_settings_behind(tmp_path):
    """SGD's lr and weight decay must not become AdamW's."""
    sgd, adamw = tmp_path / "sgd.yaml", tmp_path / "adamw.yaml"
    sgd.write_text("model: {optimizer: {class_path: torch.optim.SGD, init_args: {lr: 0.3, weight_decay: 0.05}}}")
    adamw.write_text("model: {optimizer: {class_path: torch.optim.AdamW}}")
    optimizer = compose(sgd, adamw)["model"]["optimizer"]
    assert optimizer["class_path"] == "torch.optim.AdamW"
    assert (optimizer["init_args"]["lr"], optimizer["init_args"]["weight_decay"]) == (0.001, 0.01)


def test_the_same_class_keeps_its_settings_key_by_key(tmp_path):
    overlay = tmp_path / "rate.yaml"
    overlay.write_text("model: {optimizer: {class_path: torch.optim.SGD, init_args: {lr: 0.3}}}")
    optimizer = compose(CONFIGS / "optimization" / "momentum.yaml", overlay)["model"]["optimizer"]["init_args"]
    assert (optimizer["lr"], optimizer["momentum"]) == (0.3, 0.9)
