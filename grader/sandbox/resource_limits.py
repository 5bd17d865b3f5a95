"""What a program in a sandbox may use."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ResourceLimits:
    """Limits of one program and all that it starts.

    Attributes:
        seconds: From its turn on, as `supervision.Stopwatch` counts them.
        memory_bytes: Memory of all its processes together; with control groups, of what it writes, too.
        output_bytes: What it may write.
        output_files: Files and folders that it may write.
        processes: Processes and threads at any moment.
    """

    seconds: float = 1800.0
    memory_bytes: int = 8 * 10**9
    output_bytes: int = 500 * 10**6
    output_files: int = 2000
    processes: int = 256
