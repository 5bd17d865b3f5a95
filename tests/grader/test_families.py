"""What can be said of each family before a training: never "ready" of what is bound to lack one."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from grader.cli import main
from grader.intake.families import foreseen, lacking
from project.assignment import FAMILIES
from tests.fixtures.real_class import write_cases
from tests.grader.test_checks import OWN, set_key

PLAIN_SGD = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}}
NO_DECAY = {"regularization": [], "augmentation": []}


def states(config):
    return {each.family: each.state for each in foreseen(config)}


def spoiled(config, **values):
    settings = yaml.safe_load(config)
    for path, value in values.items():
        set_key(path.replace("__", "."), value)(settings)
    return settings


def test_the_quickstart_chooses_all(config):
    assert set(states(yaml.safe_load(config)).values()) == {"chosen"}
    said = {each.family: each.said for each in foreseen(yaml.safe_load(config))}
    assert said["optimization"] == "SGD (lr 0.1, momentum 0.9), OneCycle"
    assert "WeightDecay (weight_decay 0.0001), RandomAffine (strength 0.12)" == said["regularization"]


@pytest.mark.parametrize(
    ("family", "change"),
    [
        ("optimization", {"model__optimizer": PLAIN_SGD, "model__scheduler": None}),
        ("regularization", {"model__regularization": [], "data__augmentation": []}),
        ("regularization", {"model__regularization": None, "data__augmentation": None}),
        ("initialization", {"model__initialization": None}),
        ("normalization", {"model__normalization": None}),
        (
            "regularization",
            {
                "model__regularization": [{"class_path": "project.regularization.L1", "init_args": {"factor": 0.0}}],
                "data__augmentation": [{"class_path": "project.augmentation.RandomCrop", "init_args": {"padding": 0}}],
            },
        ),
    ],
    ids=["optimization", "regularization", "null", "initialization", "normalization", "strength 0"],
)
def test_what_library_classes_are_bound_to_lack_is_refused(family, change, config, write_submission, capsys):
    settings = spoiled(config, **change)
    assert states(settings) == {each: "missing" if each == family else "chosen" for each in FAMILIES}
    assert [finding.where for finding in lacking(settings, FAMILIES)] == [f"config.yaml: {family}"]
    assert lacking(settings, [each for each in FAMILIES if each != family]) == []

    folder = write_submission(change=lambda config: config.update(settings))
    assert main(["check", str(folder)]) == 1
    said = capsys.readouterr().out
    assert f"family  {family}: nothing chosen" in said and "kim-minji: would be rejected." in said
    assert "ready to hand in" not in said and said.count("family  ") == 4
    assert main(["pack", str(folder), "--out", str(folder / "x.zip")]) == 1 and not (folder / "x.zip").exists()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"model__optimizer": {"class_path": "torch.optim.AdamW"}},
            {"regularization": "chosen", "optimization": "chosen"},
        ),
        (
            {"model__optimizer": {"class_path": "submission.mine.Mine"}, "model__scheduler": None},
            {"optimization": "open"},
        ),
        ({"model__optimizer": {"class_path": "torch.optim.Adam"}}, {"regularization": "missing"}),
        ({"model__optimizer": PLAIN_SGD}, {"optimization": "chosen"}),
        ({"model__network": "torchvision.models.resnet18"}, {"initialization": "open", "regularization": "missing"}),
        ({"model__network": "torchvision.models.vgg11"}, {"initialization": "open", "regularization": "open"}),
        ({"model__network": {"class_path": "submission.mine.Net"}}, dict.fromkeys(FAMILIES[1:], "open")),
        ({"data__augmentation": [{"class_path": "submission.mine.Shift"}]}, {"regularization": "open"}),
        ({"model__network__init_args__activation": "submission.mine.Act"}, dict.fromkeys(FAMILIES[1:], "open")),
        ({"data__augmentation": {"no": "list"}}, {"regularization": "open"}),
        ({"model__network": 3}, dict.fromkeys(FAMILIES[1:], "open")),
    ],
    ids=range(11),
)
def test_what_only_a_training_shows_is_left_open(change, expected, config):
    bare = {
        "model__regularization": [],
        "data__augmentation": [],
        "model__initialization": None,
        "model__normalization": None,
    }
    found = states(spoiled(config, **bare | change))
    assert {family: found[family] for family in expected} == expected


def test_of_an_own_network_it_is_said_that_a_training_tells(write_submission, capsys):
    def own(config):
        config["model"] |= {
            "network": {"class_path": "submission.mine.Net"},
            "initialization": None,
            "normalization": None,
        }

    folder = write_submission(change=own, mine_py=OWN)
    assert main(["check", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "family  initialization: nothing chosen; whether submission.mine.Net draws its weights anew is seen" in said
    assert "ready to hand in" in said and "A training shows initialization and normalization" in said
    assert f"python -m grader check {folder} --try says it without one." in said
    assert "main.py finds it only as the folder submission/ beside it." in said and "names nothing" not in said


def test_a_configuration_that_cannot_be_read_is_told_beside_a_file_of_one_s_own(write_submission, capsys):
    folder = write_submission(mine_py=OWN)
    (folder / "config.yaml").write_text("a: [1")
    assert main(["check", str(folder)]) == 1
    assert "config.yaml" in (said := capsys.readouterr().out) and "would be rejected" in said


def test_a_file_that_the_configuration_does_not_name_is_told(write_submission, capsys):
    assert main(["check", str(write_submission(mine_py=OWN))]) == 0
    said = capsys.readouterr().out
    assert "tier audited." in said and "config.yaml names nothing of its Python files; is it the run you mean?" in said


def test_where_the_template_s_classes_are_used_alone_no_folder_is_asked_for(write_submission, capsys):
    assert main(["check", str(write_submission())]) == 0
    said = capsys.readouterr().out
    assert "--try says it without one." in said and "main.py" not in said


def test_the_class_s_networks_are_never_refused_unseen(tmp_path, capsys):
    for case, folder in write_cases(tmp_path / "cases").items():
        assert main(["check", str(folder)]) == 0, case
        assert capsys.readouterr().out.count("is seen in a training") >= 2


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("submission.mine.Net"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "model",
                    "data",
                    "network",
                    "optimizer",
                    "regularization",
                    "class_path",
                    "init_args",
                    "p",
                    "augmentation",
                ]
            )
            | st.integers(),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(anything)
def test_a_configuration_of_any_shape_is_no_crash(config):
    assert [each.family for each in foreseen(config)] == FAMILIES
    assert all("\n" not in str(each) for each in foreseen(config))
