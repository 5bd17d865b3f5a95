"""What torch says of a GPU that failed a program, sorted by whose fault it may be; and what the machine says of its GPU.

The names and texts are NVIDIA's: cudaGetErrorString of the CUDA runtime 13.0 (driver_types.h), cublasStatus_t of cuBLAS 13
(cublas_api.h) and cudnnStatus_t of cuDNN 9 (cudnn_graph.h), as torch raises them (c10/cuda, ATen/cuda/Exceptions.h).
"""

import re
import subprocess

from grader.sandbox.gpu_devices import smi_name

OF_CUDA = re.compile(
    r"\bCUDA (driver )?error\b|\bcuDNN error\b|\b(CUBLAS|CUBLASLT|CUDNN|CUSOLVER|CUSPARSE|CUFFT|CURAND|NCCL)_"
)
NO_MEMORY = (
    "CUDA out of memory",
    "CUDA error: out of memory",
    "CUDA driver error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED",  # what cuDNN 9 calls the one above
    "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
)
NOT_READY = (
    "CUBLAS_STATUS_NOT_INITIALIZED",
    "CUDNN_STATUS_NOT_INITIALIZED",
)  # where there is no memory for a handle, too
OF_THE_MACHINE = (
    *NOT_READY,
    "uncorrectable ECC error encountered",
    "uncorrectable NVLink error detected during the execution",
    "CUDA-capable device(s) is/are busy or unavailable",
    "no CUDA-capable device is detected",
    "CUDA error: initialization error",
    "CUDA error: hardware stack error",
    "startup failure in cuda runtime",
    "system not yet initialized",
    "MPS client failed to connect to the MPS control daemon or the MPS server",
    "the remote procedural call between the MPS server and the MPS client failed",
    "MPS server is not ready to accept new MPS client requests",
    "the MPS client has been terminated by the server",
)


def lacked_memory(said: str) -> bool:
    """Whether a program's last words are of a GPU without memory. It is not believed for that: see `Rerun.train`."""
    return any(text in said for text in (*NO_MEMORY, *NOT_READY))


def machine_failed(said: str, only_ours: bool, gpu: int | None) -> bool:
    """Whether a failure is the GPU's own, by a program's last words.

    Args:
        only_ours: No student's code ran in it, so that it is believed. Of any other, the machine itself has to bear it out.
        gpu: Number of the device file of the one that it ran on.
    """
    if only_ours:
        return bool(OF_CUDA.search(said)) and not any(text in said for text in NO_MEMORY)
    return any(text in said for text in OF_THE_MACHINE) and gpu is not None and is_unwell(gpu)


def is_unwell(gpu: int) -> bool:
    """Whether nvidia-smi says so: it counts uncorrectable errors, or does not find the GPU, or lets one program have it."""
    asked = "--query-gpu=ecc.errors.uncorrected.volatile.total,compute_mode"
    try:
        told = subprocess.run(
            ["nvidia-smi", f"--id={smi_name(gpu)}", asked, "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=30,
        )
    except FileNotFoundError:
        return False
    except (OSError, subprocess.SubprocessError):
        return True
    errors, _, mode = told.stdout.strip().partition(", ")
    return told.returncode != 0 or errors.isdigit() and int(errors) > 0 or mode not in ("", "Default")
