"""Overlays: every one touches its own family only, and they compose in every order to the same settings."""

import json
import logging
from itertools import combinations, permutations
from pathlib import Path

import pytest
import yaml

from grader.rules import Rules
from project.training.command_line import complete_config, run
from project.training.configuration import merged, read_overlay

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
        assert "Use it" in " ".join(line.lstrip("# ") for line in comment)
        command, overlay, more = comment[-1].partition(str(path))
        assert command + overlay == f"#   python main.py fit --config configs/base.yaml --config {path}"
        compose(path, options=more.split())


@pytest.mark.parametrize("path", sorted((CONFIGS / "assignments").glob("*.yaml")), ids=str)
def test_every_assignment_s_rules_are_read(path):
    assert Rules.load(path).dataset != Rules.load().dataset
    assert f"--rules {path}" in path.read_text(), "the command names the file"


@pytest.mark.parametrize("path", sorted((CONFIGS / "data").glob("*.yaml")), ids=str)
def test_a_dataset_takes_the_place_of_the_embedded_one(path):
    quickstart = ["--config", str(CONFIGS / "quickstart.yaml")]
    before, after = (yaml.safe_load(complete_config([*quickstart, *more])) for more in ([], ["--config", str(path)]))
    assert before["data"]["source"] != after["data"]["source"] and before["model"] == after["model"]
    assert "train" not in after["data"]["source"]["init_args"] or after["data"]["source"]["init_args"]["train"] is None


@pytest.mark.parametrize(("family", "path"), [(f, p) for f in FAMILIES for p in OVERLAYS[f]], ids=str)
def test_an_overlay_touches_its_own_family_only(family, path):
    overlay = yaml.safe_load(path.read_text())
    touched = {f"{section}.{key}" for section, keys in overlay.items() for key in keys}
    assert touched <= FAMILIES[family]


@pytest.mark.parametrize(("one", "other"), list(combinations(FAMILIES, 2)), ids=str)
def test_every_pair_across_families_composes_in_either_order(one, other):
    def given(*overlays):
        settings = merged(map(read_overlay, (CONFIGS / "base.yaml", *overlays)))
        for section, key in (("model", "regularization"), ("data", "augmentation")):
            settings[section][key].sort(key=str)
        return settings

    alone = {path: given(path) for path in OVERLAYS[one]}
    for a in OVERLAYS[one]:
        for b in OVERLAYS[other]:
            assert given(a, b) == given(b, a), (a, b)
            assert given(a, b) != alone[a] or b.stem in ("sgd", "constant", "none"), (a, b)


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


ALONE = {  # what the census finds where an overlay alone is laid over base.yaml; the base itself uses nothing
    "optimization": {
        "sgd": [],
        "momentum": ["SGD with momentum"],
        "nesterov": ["SGD with Nesterov momentum"],
        "adagrad": ["Adagrad"],
        "rmsprop": ["RMSprop"],
        "adam": ["Adam"],
        "adamw": ["AdamW"],
        "muon": ["Muon"],
        "sam": ["SAM"],
        "constant": [],
        "step": ["StepLR schedule"],
        "multistep": ["MultiStepLR schedule"],
        "exponential": ["ExponentialLR schedule"],
        "cosine": ["Cosine schedule"],
        "cosine_restarts": ["CosineRestarts schedule"],
        "onecycle": ["OneCycle schedule"],
        "polynomial": ["Polynomial schedule"],
        "cyclic": ["Cyclic schedule"],
        "warmup_cosine": ["WarmupCosine schedule"],
        "plateau": ["Plateau schedule"],
        "default": ["SGD with Nesterov momentum", "OneCycle schedule"],
    },
    "regularization": {
        "l1": ["L1"],
        "l2": ["L2"],
        "elastic_net": ["ElasticNet"],
        "weight_decay": ["weight decay"],
        "label_smoothing": ["LabelSmoothing"],
        "dropout": ["dropout"],
        "spatial_dropout": ["spatial dropout"],
        "stochastic_depth": ["stochastic depth"],
        "mixup": ["Mixup"],
        "cutmix": ["CutMix"],
        "early_stopping": ["EarlyStopping"],
        "ema": ["EMA"],
        "swa": ["SWA"],
        "gradient_clipping": ["GradientClipping"],
        "crop": ["RandomCrop"],
        "flip": ["RandomHorizontalFlip"],
        "affine": ["RandomAffine"],
        "rotation": ["RandomRotation"],
        "color_jitter": ["ColorJitter"],
        "cutout": ["Cutout"],
        "trivial_augment": ["TrivialAugmentWide"],
        "alternating_flip": ["AlternatingFlip"],
        "default": ["weight decay", "RandomAffine"],
    },
    "initialization": {
        **{name: ["Constant"] for name in ("zeros", "ones", "constant")},
        **{name: ["Normal"] for name in ("normal_1", "normal_001")},
        **{name: ["Xavier"] for name in ("xavier", "xavier_uniform")},
        **{name: ["He"] for name in ("he", "he_uniform", "default")},
        "orthogonal": ["Orthogonal"],
        "dirac": ["Dirac"],
        "lsuv": ["LSUV"],
        "patch_whitening": ["PatchWhitening"],
    },
    "normalization": {
        "none": [],
        "batch": ["batch normalization"],
        "layer": ["layer normalization"],
        "instance": ["instance normalization"],
        "group": ["group normalization"],
        "rms": ["RMS normalization"],
        "weight": ["weight normalization"],
        "weight_standardization": ["weight standardization"],
        "default": ["batch normalization"],
    },
}


def test_the_table_above_is_complete():
    assert {family: set(names) for family, names in ALONE.items()} == {
        family: {path.stem for path in paths} for family, paths in OVERLAYS.items()
    }


@pytest.mark.parametrize(("family", "path"), [(f, p) for f in FAMILIES for p in OVERLAYS[f]], ids=str)
def test_every_overlay_trains_alone_and_the_census_names_exactly_it(family, path, tmp_path):
    small = ("--data.source.train=40", "--data.source.val=20", "--data.source.test=10", "--model.network.width=4")
    small += ("--trainer.limit_train_batches=1", "--trainer.enable_checkpointing=false", "--run.wandb=disabled")
    network = ("--model.network=project.networks.ResNet",) if path.stem == "stochastic_depth" else ()
    configs = ("--config", str(CONFIGS / "base.yaml"), "--config", str(path))
    cli = run(["fit", *configs, *network, *small, f"--run.folder={tmp_path}"])
    assert cli.trainer.global_step == cli.trainer.current_epoch >= 4
    strategies = json.loads((cli.folder / "summary.json").read_text())["strategies"]
    found = {name: [strategy["name"] for strategy in used] for name, used in strategies.items() if used}
    expected = ALONE[family][path.stem]
    assert found == ({family: expected} if expected else {})


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["debug", "limit", "overfit", "profile"])
def test_presets_do_what_they_say(preset, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("pytorch_lightning.profilers.profiler"), "handlers", [caplog.handler])
    configs = ("--config", str(CONFIGS / "base.yaml"), "--config", str(CONFIGS / "normalization" / "batch.yaml"))
    small = ("--data.source.train=400", "--data.source.val=100", "--data.source.test=10", f"--run.folder={tmp_path}")
    cli = run(["fit", *configs, "--config", str(CONFIGS / "presets" / f"{preset}.yaml"), *small])
    summary = json.loads((cli.folder / "summary.json").read_text())
    assert not (cli.folder / "wandb").exists()
    steps = {"debug": 1, "limit": 3 * 1, "overfit": 60 * 3, "profile": 2 * 13}
    assert summary["steps"] == steps[preset]
    if preset == "overfit":
        last = (cli.folder / "metrics.csv").read_text().splitlines()[-1].split(",")
        assert float(last[3]) > 0.95, "the same three batches are learned by heart"
    assert ("FIT Profiler Report" in caplog.text) == (preset == "profile")


def test_a_class_replaced_on_the_command_line_leaves_no_settings_behind_either():
    settings = compose(options=["--model.optimizer=torch.optim.AdamW", "--model.network", "project.networks.MLP"])
    assert settings["model"]["optimizer"]["init_args"]["lr"] == 0.001
    assert settings["model"]["network"]["init_args"]["width"] == 128
    as_json = compose(options=['--model.optimizer={"class_path": "torch.optim.AdamW"}'])
    assert as_json["model"]["optimizer"]["init_args"]["lr"] == 0.001
    kept = compose(options=["--model.optimizer=SGD", "--model.optimizer.momentum=0.5", "--model.network.stages=3"])
    assert (kept["model"]["optimizer"]["init_args"]["lr"], kept["model"]["network"]["init_args"]["width"]) == (
        0.05,
        16,
    )
    assert kept["model"]["optimizer"]["init_args"]["momentum"] == 0.5


ON_GPU = ("cifar10_best", "cifar10_fast")  # recipes whose networks are slow on a processor


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=[pytest.mark.slow] if path.stem in ON_GPU else [])
        for path in sorted((CONFIGS / "recipes").glob("*.yaml"))
    ],
    ids=str,
)
def test_a_recipe_uses_all_families_within_the_rules(path, tmp_path):
    tiny = "--data.source Glyphs --data.source.train 64 --data.source.val 32 --data.batch_size 16".split()
    debug = ["--config", "configs/presets/debug.yaml", "--run.folder", str(tmp_path)]
    settings = yaml.safe_load(path.read_text())
    fitted = run(["fit", "--config", str(path), *debug, *tiny, "--trainer.limit_train_batches", "2"])
    summary = json.loads((fitted.folder / "summary.json").read_text())
    assert all(summary["strategies"].values()) and settings["trainer"]["max_epochs"] <= Rules.load().max_epochs
