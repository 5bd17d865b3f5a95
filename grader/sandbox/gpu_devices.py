"""NVIDIA's device files: which of them a GPU has, and how nvidia-smi calls it.

nvidia-smi numbers the GPUs that it may see, from 0; the file of a GPU has the number that it has among all of the machine's,
its minor. In a container or a job of Slurm's with one GPU of several, these differ.
"""

from pathlib import Path

PROC, DEV = Path("/proc/driver"), Path("/dev")
SHARED = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools")


def minors() -> dict[str, int]:
    """The numbers of GPUs' device files by their UUIDs; empty where the driver does not tell."""
    found = {}
    for file in PROC.glob("nvidia/gpus/*/information"):
        fields = dict(line.partition(":")[::2] for line in file.read_text("utf-8", "replace").splitlines())
        uuid, minor = fields.get("GPU UUID", "").strip(), fields.get("Device Minor", "").strip()
        if uuid and minor.isdigit():
            found[uuid] = int(minor)
    return found


def smi_name(minor: int) -> str:
    """What nvidia-smi takes for a GPU: its UUID, or its number where the driver does not tell."""
    return next((uuid for uuid, number in minors().items() if number == minor), str(minor))


def device_files(minor: int) -> list[Path]:
    """What a program needs of /dev to use a GPU, with the parts that it is divided into (MIG); some may not be there."""
    try:
        listed = (PROC / "nvidia-caps" / "mig-minors").read_text("utf-8", "replace").splitlines()
    except OSError:
        listed = []
    parts = [line.split()[-1] for line in listed if line.startswith(f"gpu{minor}/")]  # no rights to divide any anew
    files = [DEV / "nvidia-caps" / f"nvidia-cap{part}" for part in parts]
    return [*(DEV / name for name in (*SHARED, f"nvidia{minor}")), *filter(Path.exists, files)]
