"""Imports with which a training could draw itself further images."""

import pytest

from grader.publish.public_words import FLAGS, derived
from grader.rerun.drawing import drawing


@pytest.mark.parametrize(
    ("code", "named"),
    [
        ("from PIL import Image, ImageDraw", "PIL.ImageDraw"),
        ("import PIL.ImageFont as fonts", "PIL.ImageFont"),
        ("def late():\n    from PIL.ImageFont import truetype", "PIL.ImageFont"),
        ("import torch, matplotlib.pyplot as plt", "matplotlib"),
        ("from matplotlib.ft2font import FT2Font\nimport PIL.ImageDraw", "PIL.ImageDraw, matplotlib"),
    ],
)
def test_imports_of_what_draws_text_are_shown_to_a_person(code, named):
    found = drawing({"net.py": b"import torch", "images.py": code.encode()})
    assert found == [f"imports {named}, with which further images could be drawn"]
    assert derived(found[0], FLAGS, "") == "imports what further images could be drawn with"


@pytest.mark.parametrize(
    "code",
    [
        "from PIL import Image",
        "import torch\nfrom torchvision.transforms import v2",
        "from .matplotlib import x",
        "import matplotlib_inline",
        "'import matplotlib'; '\\d'",
    ],
)
def test_others_are_not(code):
    assert drawing({"net.py": code.encode()}) == []
