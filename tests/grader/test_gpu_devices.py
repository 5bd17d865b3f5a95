"""Which device files a program gets for its GPU."""

import pytest

from grader.engines import machine
from grader.sandbox import gpu_devices
from grader.sandbox.bubblewrap import isolation


@pytest.mark.parametrize("visible", ["", "0", "GPU-aa11"])
def test_a_container_with_one_gpu_of_several_has_that_one_s_device_files(visible, monkeypatch, tmp_path):
    """As with `docker run --gpus device=3`: nvidia-smi numbers it 0, and its file is nvidia3. It is divided (MIG), too."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setattr(machine, "said_by", lambda *command: "0, GPU-aa11")
    monkeypatch.setattr(gpu_devices, "PROC", tmp_path)
    monkeypatch.setattr(gpu_devices, "DEV", tmp_path)
    for bus, uuid, minor in (("0000:04:00.0", "GPU-bb22", 0), ("0000:86:00.0", "GPU-aa11", 3)):
        told = f"Model: \t\t NVIDIA A100\nIRQ:   \t\t 85\nGPU UUID: \t {uuid}\nBus Type: \t PCIe\nDevice Minor: \t {minor}\n"
        (tmp_path / "nvidia" / "gpus" / bus).mkdir(parents=True)
        (tmp_path / "nvidia" / "gpus" / bus / "information").write_text(told)
    (tmp_path / "nvidia-caps").mkdir()
    minors = (
        "config 1\nmonitor 2\ngpu0/gi0/access 3\ngpu3/gi0/access 408\ngpu3/gi0/ci0/access 409\ngpu3/gi1/access 417\n"
    )
    (tmp_path / "nvidia-caps" / "mig-minors").write_text(minors)
    for number in (1, 2, 3, 408, 409):
        (tmp_path / "nvidia-caps" / f"nvidia-cap{number}").touch()
    assert machine.gpus() == [3] and gpu_devices.smi_name(3) == "GPU-aa11"
    found = [file.name for file in gpu_devices.device_files(3)]
    assert found == ["nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia3", "nvidia-cap408", "nvidia-cap409"]
    assert f"{tmp_path}/nvidia-caps/nvidia-cap409" in isolation(3)
