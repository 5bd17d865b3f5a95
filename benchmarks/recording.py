"""Records a run as a picture that moves, for the README: `python -m benchmarks.recording docs/quickstart.svg`.

What is recorded is a real run, each line with the time at which it came; played faster, as the picture says. It is an SVG
whose lines appear by CSS, which GitHub shows; who asks for less motion sees all lines at once.
"""

import os
import subprocess
import sys
import tempfile
import time
from html import escape
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
SHOWN = "python main.py fit --config configs/quickstart.yaml"
WAITS, LASTS, STAYS = (
    0.7,
    8.3,
    6.0,
)  # seconds of the picture: the command alone, the run, and how long its end can be read
WHOLE = WAITS + LASTS + STAYS
CHARACTER, LINE, MARGIN = 7.23, 17, 16  # pixels, at 12 px of a monospaced font

STYLE = f"""
text {{ font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #d5dde5; white-space: pre }}
.prompt {{ fill: #7cc4ff }} .met {{ fill: #7bd88f }} .not {{ fill: #ff7b72 }} .said {{ fill: #8b98a5 }}
.line {{ animation-duration: {WHOLE}s; animation-iteration-count: infinite; animation-timing-function: step-end }}
@media (prefers-reduced-motion: reduce) {{ .line {{ animation: none }} }}
"""


class Line(NamedTuple):
    """A line that a command printed."""

    seconds: float  # after the first one
    text: str


def recorded(command: list[str], folder: Path) -> list[Line]:
    """What a command prints. Raises CalledProcessError where it fails."""
    with subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as running:
        assert running.stdout
        lines = [Line(time.monotonic(), text.rstrip("\n")) for text in running.stdout]
    if running.returncode:
        raise subprocess.CalledProcessError(running.returncode, command)
    return [Line(line.seconds - lines[0].seconds, line.text) for line in lines]


def drawn(shown: str, lines: list[Line]) -> str:
    """The picture: a terminal in which `shown` is typed, and then line after line appears. Times keep their proportions."""
    whole = lines[-1].seconds
    faster = whole / LASTS  # less than 1 where it is shown more slowly than it ran
    width = MARGIN * 2 + CHARACTER * max(len(shown) + 2, *(len(line.text) for line in lines))
    height = MARGIN * 2 + LINE * (len(lines) + 3)
    frames, texts = [], []
    for number, line in enumerate(lines):
        begins = 100 * (WAITS + line.seconds / faster) / WHOLE
        frames.append(f"@keyframes l{number} {{ 0% {{ opacity: 0 }} {begins:.2f}% {{ opacity: 1 }} }}")
        kind = {"met": " met", "NOT": " not"}.get((line.text.split() or [""])[0], "")
        y = MARGIN + LINE * (number + 2)
        texts.append(
            f'<text class="line{kind}" style="animation-name: l{number}" x="{MARGIN}" y="{y}">{escape(line.text)}</text>'
        )
    caption = f"a real run: {whole:.0f} s from the first line to the last" + (
        f", played {faster:.0f} times as fast" if faster > 1 else ""
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" role="img" aria-label="{escape(shown)}">',
            f"<title>{escape(shown)}: {caption}</title>",
            f"<style>{STYLE}{chr(10).join(frames)}</style>",
            f'<rect width="{width:.0f}" height="{height}" rx="8" fill="#161b22"/>',
            f'<text x="{MARGIN}" y="{MARGIN + LINE}"><tspan class="prompt">$</tspan> {escape(shown)}</text>',
            *texts,
            f'<text class="said" x="{MARGIN}" y="{height - MARGIN}">{caption}</text>',
            "</svg>\n",
        ]
    )


def main(arguments: list[str]) -> int:
    (out,) = map(Path, arguments)
    with tempfile.TemporaryDirectory() as scratch:
        for name in ("main.py", "configs", "project"):
            Path(scratch, name).symlink_to(ROOT / name)
        lines = recorded([sys.executable, *SHOWN.split()[1:]], Path(scratch))
    out.write_text(drawn(SHOWN, lines), encoding="utf-8")
    print(f"{out}: {len(lines)} lines, {out.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
