"""Each mechanism holds on each machine, whichever way programs start."""

import pytest

from tests.grader.conftest import needs_sandbox
from tests.hostile.machines import MACHINES, Machine
from tests.hostile.matrix import LAUNCHERS, tried_on


@needs_sandbox
@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
@pytest.mark.parametrize("machine", MACHINES, ids=str)
def test_each_mechanism_holds_on_each_machine(machine: Machine, launcher: str):
    if reason := machine.missing():
        pytest.skip(reason)
    found = tried_on(machine, launcher, [])
    assert found and not [f"{result.mechanism}: {result.wrong}" for result in found if result.wrong]
