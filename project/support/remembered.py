"""What a network remembers, which looking at it must not change: it is written down, and put back.

A network may count its calls, keep what a layer put out, or draw from a generator of its own; a copy of it would not do,
since functions that it encloses, and regularizers that hold its layers, know the original alone.
"""

import copy
import functools
import pickle
import random
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import CellType, FunctionType, MethodType, SimpleNamespace
from typing import Any, NamedTuple

import numpy
import torch
from torch import Tensor, nn


class MetalGenerator:
    """The generator of Apple's GPUs that everybody draws from, of which torch shows no more than this."""

    get_state = staticmethod(torch.mps.get_rng_state)
    set_state = staticmethod(torch.mps.set_rng_state)
    manual_seed = staticmethod(torch.mps.manual_seed)


Generator = torch.Generator | MetalGenerator | numpy.random.Generator | numpy.random.RandomState | random.Random


class Kept(NamedTuple):
    """A tensor, its storage, and what it held."""

    tensor: Tensor
    storage: Tensor
    values: Tensor
    requires_grad: bool
    grad: Tensor | None


class Memory:
    """All that objects remember at this moment, and all generators of random numbers.

    Looked through are modules, containers, functions with what they enclose, the objects of methods, and instances of
    classes that no library defines. What a class, a module of Python or a file holds is not.
    """

    def __init__(self, *things: Any):
        self.containers: list[tuple[Any, Any]] = []
        self.cells: list[tuple[CellType, Any]] = []
        self.tensors: list[Kept] = []
        self.arrays: list[tuple[Any, Any]] = []
        self.modes: list[tuple[nn.Module, bool]] = []
        self.generators: list[tuple[Generator, Any]] = []
        waiting, seen = [*things, *shared_generators()], {}
        while waiting:
            thing = waiting.pop()
            if id(thing) not in seen:
                seen[id(thing)] = thing  # an object that is kept shares its number with no later one
                waiting.extend(self._keep(thing))

    def _keep(self, thing: Any) -> Iterable[Any]:
        """Write down what an object itself holds. Returns the objects within."""
        match thing:
            case None | str() | bytes() | int() | float() | type():
                return ()
            case Tensor():
                if can_be_kept(thing):
                    values, grad = thing.detach().clone(), thing.grad if thing.is_leaf else None
                    self.tensors.append(Kept(thing, thing.detach(), values, thing.requires_grad, grad))
            case numpy.ndarray():
                self.arrays.append((thing, thing.copy()))
            case random.SystemRandom():
                return ()
            case (
                torch.Generator()
                | MetalGenerator()
                | numpy.random.Generator()
                | numpy.random.RandomState()
                | random.Random()
            ):
                self.generators.append((thing, state_of(thing)))
            case dict() | list() | set() | deque():
                self.containers.append((thing, contents(thing)))
                return list(thing.values()) if isinstance(thing, dict) else list(thing)
            case tuple():
                return thing
            case MethodType():
                return thing.__self__, thing.__func__
            case functools.partial():
                return thing.func, thing.args, thing.keywords
            case FunctionType() if not of_library(thing):
                return *(thing.__closure__ or ()), thing.__defaults__, vars(thing)
            case CellType():
                try:
                    self.cells.append((thing, thing.cell_contents))
                    return (thing.cell_contents,)
                except ValueError:  # an empty one
                    return ()
            case torch.jit.ScriptModule():
                self.modes += [(module, module.training) for module in thing.modules()]
                return *thing.parameters(), *thing.buffers()
            case nn.Module() | SimpleNamespace():
                return (vars(thing),)
            case _ if hasattr(thing, "__dict__") and not of_library(type(thing)):
                return (vars(thing),)
        return ()

    def put_back(self) -> None:
        for container, before in self.containers:
            refill(container, before)
        for cell, content in self.cells:
            cell.cell_contents = content
        for array, values in self.arrays:
            array[...] = values
        for module, mode in self.modes:
            module.training = mode
        for generator, state in self.generators:
            set_state(generator, state)
        with torch.no_grad():
            for kept in self.tensors:
                if kept.tensor.data_ptr() != kept.storage.data_ptr() or kept.tensor.shape != kept.storage.shape:
                    kept.tensor.data = kept.storage
                if not torch.equal(kept.storage, kept.values):
                    kept.storage.copy_(kept.values)
                if kept.tensor.is_leaf:
                    kept.tensor.requires_grad_(kept.requires_grad)
                    kept.tensor.grad = kept.grad

    def seed(self, seed: int) -> None:
        """Have all generators start from this seed."""
        for generator, _ in self.generators:
            match generator:
                case torch.Generator() | MetalGenerator():
                    generator.manual_seed(seed)
                case numpy.random.Generator():
                    generator.bit_generator.state = type(generator.bit_generator)(seed).state
                case _:
                    generator.seed(seed)

    def states(self) -> list[bytes]:
        """The states of all generators now: they are others as soon as anything is drawn."""
        states = (state_of(generator) for generator, _ in self.generators)
        return [state.numpy().tobytes() if isinstance(state, Tensor) else pickle.dumps(state) for state in states]


@contextmanager
def undisturbed(*things: Any) -> Iterator[Memory]:
    """Leave objects, and all generators of random numbers, as they were, whatever happens meanwhile."""
    memory = Memory(*things)
    try:
        yield memory
    finally:
        memory.put_back()


def shared_generators() -> list[Generator]:
    """The generators that everybody draws from."""
    of_modules = random.getstate.__self__, numpy.random.get_state.__self__  # type: ignore[attr-defined]  # methods
    return [*torch_generators(), *of_modules]


def torch_generators() -> list[Generator]:
    """Those of them that torch draws from, one for each device."""
    devices: tuple[Generator, ...] = torch.cuda.default_generators if torch.cuda.is_initialized() else ()
    if torch.backends.mps.is_available():
        devices = (*devices, MetalGenerator())
    return [torch.default_generator, *devices]


def state_of(generator: Generator) -> Any:
    match generator:
        case torch.Generator() | MetalGenerator() | numpy.random.RandomState():
            return generator.get_state()
        case numpy.random.Generator():
            return copy.deepcopy(generator.bit_generator.state)
        case _:
            return generator.getstate()


def set_state(generator: Generator, state: Any) -> None:
    match generator:
        case torch.Generator() | MetalGenerator() | numpy.random.RandomState():
            generator.set_state(state)
        case numpy.random.Generator():
            generator.bit_generator.state = state
        case _:
            generator.setstate(state)


def can_be_kept(tensor: Tensor) -> bool:
    """Whether a tensor has values of its own that may be written."""
    has_values = tensor.layout is torch.strided and not tensor.is_meta and not tensor.is_inference()
    return has_values and not isinstance(tensor, nn.UninitializedParameter | nn.UninitializedBuffer)


def contents(container: Any) -> Any:
    return dict(container) if isinstance(container, dict) else list(container)


def identities(container: Any) -> list[int]:
    """The numbers of the objects in a container, in their order."""
    values = container.values() if isinstance(container, dict) else ()
    return [*map(id, container), *map(id, values)]


def refill(container: Any, before: Any) -> None:
    """Give a container what it held, in the same order."""
    if identities(container) == identities(before):
        return
    container.clear()
    add = container.extend if isinstance(container, list | deque) else container.update
    add(before)


def of_library(thing: Any) -> bool:
    """Whether a class or function is Python's own or of an installed package."""
    return installed(str(getattr(thing, "__module__", "")).partition(".")[0])


@functools.cache
def installed(package: str) -> bool:
    path = str(getattr(sys.modules.get(package), "__file__", ""))
    return package in sys.stdlib_module_names or "site-packages" in path or "dist-packages" in path
