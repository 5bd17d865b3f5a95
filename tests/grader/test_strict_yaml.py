"""YAML from strangers: whatever it says, data or one line, and soon."""

import pytest

from grader.intake.strict_yaml import MAX_BYTES, StrictYamlError, load


def test_plain_data_comes_through():
    assert load(b"a: 1\nb: [1.5, yes, null, '!x', {c: d}]") == {"a": 1, "b": [1.5, True, None, "!x", {"c": "d"}]}
    assert load(b"") is None and load("이름: 김민지".encode()) == {"이름": "김민지"}
    assert load(b"lr: 1e-3") == {"lr": 1e-3}, "as a training reads it"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &a [x]\nb: *a", "line 2: aliases"),
        ("a: 1\na: 2", "line 2: the key 'a' is there twice"),
        ("a: !!bool x", "line 1: tags"),
        ("a: !!int ''", "line 1: tags"),
        ("a: !!timestamp x", "line 1: tags"),
        ("a:\n  b: !!python/object/apply:os.system [id]", "line 2: tags"),
        ("a: " + "[" * 9000, "line 1: nested too deeply"),
        ("- [" + "[" * 200 + "]" * 200 + "]", "line 1: nested too deeply"),
        ("- " * 9000, "line 1: nested too deeply"),
        ("a: 0x" + "f" * 9000, "line 1: a number of 9002 characters"),
        ("a: " + "1" * 9000, "line 1: a number of 9000 characters"),
        ("a: 1" + ":1" * 9000, "line 1: a number of 18001 characters"),
        ("a: 1" + ":1" * 9000 + ".5", "line 1: a number of 18003 characters"),
        (r'a: "\UFFFFFFFF"', "not valid YAML"),
        ("a: 2024-02-31", "not valid YAML"),
        ("{[a]: 1}", "not valid YAML"),
        ("a: \x01", "not valid YAML"),
        ("a" * (MAX_BYTES + 1), "larger than"),
    ],
    ids=lambda value: repr(value[:15]),
)
def test_what_is_no_plain_data_is_refused_in_one_line(text, said):
    with pytest.raises(StrictYamlError, match=said) as error:
        load(text.encode())
    assert "\n" not in str(error.value)
