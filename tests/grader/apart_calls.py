"""Functions to call in another process, most of which do not come back."""

import errno
import os
import resource
import signal
import sys
import time

from grader.apart import OurFault


def same(value):
    return value


def prints(value):
    print("{}")
    os.write(1, b"no reply\n")
    return value


def number(digits):
    return str(10**digits)


def deep():
    return deep()


def endless():
    while True:
        pass


def asleep():
    time.sleep(600)


def large():
    return bytearray(10**10)


def wordy():
    return "x" * 30_000_000


def killed():
    os.kill(os.getpid(), signal.SIGKILL)


def exits():
    sys.exit(0)


def exits_at_once():
    os._exit(0)


def executable():
    return object()


def disk_full():
    try:
        raise OSError(errno.ENOSPC, "No space left on device", "results/x")
    except OSError as error:
        raise OurFault from error


def limits():
    return [resource.getrlimit(which)[0] for which in (resource.RLIMIT_CPU, resource.RLIMIT_AS)]


def process():
    return os.getpid()


def busy(seconds):
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass
    return time.process_time()
