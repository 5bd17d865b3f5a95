"""The census looks at the network itself: whatever refers to it, remembers or draws, and puts all of it back."""

import functools

import numpy
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from project.classifier import Classifier
from project.regularization import Regularizer
from project.strategies import OWN_NOISE, census, gone
from project.support.remembered import Memory, undisturbed
from tests.test_effects import PLAIN, Discarded, Functional, Own, data, names, own, taken

__all__ = ["data"]  # the fixture
ALL = {"regularization": ["dropout"], "initialization": ["He"], "normalization": ["batch normalization"]}


def used(found):
    return {family: names(found, family) for family in found.strategies if names(found, family)}


class Base(nn.Module):
    """He, batch normalization and dropout, behind `change`."""

    def __init__(self):
        super().__init__()
        self.fc1, self.bn, self.drop = nn.Linear(3072, 64), nn.BatchNorm1d(64), nn.Dropout(0.3)
        self.fc2 = nn.Linear(64, 10)
        nn.init.kaiming_normal_(self.fc1.weight)
        self.step = 0
        self.torch_generator = torch.Generator().manual_seed(1)
        self.numpy_generator = numpy.random.default_rng(1)

    def body(self, x):
        return self.drop(F.relu(self.bn(self.fc1(self.change(x.flatten(1))))))

    def forward(self, x):
        return self.fc2(self.body(x))

    def change(self, x):
        return x


# What refers to a network.


class KeptByAHook(Base):
    def __init__(self):
        super().__init__()

        def keep(module, inputs, output):
            self.kept = output

        self.drop.register_forward_hook(keep)

    def forward(self, x):
        self.body(x)
        return self.fc2(self.kept)


class Lambdas(Base):
    def __init__(self):
        super().__init__()
        self.block = lambda x: self.drop(F.relu(self.bn(self.fc1(x.flatten(1)))))

    def forward(self, x):
        return self.fc2(self.block(x))


class BoundMethod(Base):
    def __init__(self):
        super().__init__()
        self.block = self.body

    def forward(self, x):
        return self.fc2(self.block(x))


class CopiesOfAnotherKind(Base):
    def __deepcopy__(self, memo):
        return Own()


@pytest.mark.parametrize("network", [Base, KeptByAHook, Lambdas, BoundMethod, CopiesOfAnotherKind])
def test_what_refers_to_the_network_itself_works_as_in_a_training(network, data):
    found = taken(data, network)
    assert used(found) == ALL and found.remarks == []


class OfWeights(Regularizer):
    def prepare(self, network):
        self.weights = [p for p in network.parameters() if p.ndim > 1]

    def penalty(self, network):
        return 1e-3 * sum(weight.square().sum() for weight in self.weights)


class OfLayers(Regularizer):
    def prepare(self, network):
        self.layers = [module for module in network.modules() if isinstance(module, nn.Linear)]

    def penalty(self, network):
        gram = (layer.weight @ layer.weight.T for layer in self.layers)
        return 1e-3 * sum((matrix - torch.eye(len(matrix))).square().sum() for matrix in gram)


class OfOutputs(Regularizer):
    calls = 0

    def prepare(self, network):
        network.first.register_forward_hook(self.keep)

    def keep(self, module, inputs, output):
        self.calls += 1
        self.output = output

    def penalty(self, network):
        return 0.1 * self.output.abs().mean()


@pytest.mark.parametrize("kind", [OfWeights, OfLayers, OfOutputs])
def test_a_regularizer_may_hold_the_network_and_parts_of_it(kind, data):
    regularizer = kind()
    found = taken(data, own(draw=nn.init.kaiming_normal_), regularization=[regularizer])
    assert names(found, "regularization") == [kind.__name__] and found.remarks == []
    assert not hasattr(regularizer, "output") and getattr(regularizer, "calls", 0) == 0


def test_a_regularizer_that_prepares_and_shows_nothing_is_told(data):
    class Nothing(Regularizer):
        def prepare(self, network):
            self.network = network

    found = taken(data, own(), regularization=[Nothing()])
    assert sum("Nothing: changes next to nothing" in said for said in found.remarks) == 1


# What a network remembers and draws.


class DropsMoreAndMore(Base):
    def change(self, x):
        if self.training:
            self.step += 1
            self.drop.p = min(0.5, 0.1 + 0.01 * self.step)
        return x


class Fading(Base):
    def change(self, x):
        self.step += self.training
        return x + 0.3 * 0.99**self.step * torch.randn_like(x) if self.training else x


class DrawsFromItsOwn(Base):
    def change(self, x):
        return x + 0.1 * torch.randn(x.shape, generator=self.torch_generator) if self.training else x


class DrawsFromNumpy(Base):
    def change(self, x):
        return x + 0.1 * torch.from_numpy(self.numpy_generator.standard_normal(x.shape)).float() if self.training else x


class DrawsUnseeded(Base):
    def change(self, x):
        noise = torch.from_numpy(numpy.random.default_rng().standard_normal(x.shape)).float()
        return x + 0.1 * noise if self.training else x


class CountsForAll(Base):
    count = 0

    def change(self, x):
        type(self).count += 1
        return x + 0.01 * type(self).count * x.flip(0)


@pytest.mark.parametrize(
    ("network", "noisy"),
    [
        (DropsMoreAndMore, False),
        (Fading, True),
        (DrawsFromItsOwn, True),
        (DrawsFromNumpy, True),
        (DrawsUnseeded, False),
        (CountsForAll, False),
    ],
)
def test_a_network_may_change_from_call_to_call(network, noisy, data):
    found = taken(data, network)
    noise = {"regularization": ["dropout", OWN_NOISE]} if noisy else {}
    assert used(found) == ALL | noise
    unset = network in (DrawsUnseeded, CountsForAll)
    assert ["changes from call to call" in said for said in found.remarks] == [True] * unset


@pytest.mark.parametrize("network", [DrawsUnseeded, CountsForAll])
def test_what_is_discarded_beside_what_nobody_can_set_back_does_not_count_and_is_told_as_it_is(network, data):
    class Hidden(network):
        def body(self, x):
            x = F.relu(self.fc1(self.change(x.flatten(1))))
            self.drop(self.bn(x))
            return x

    found = taken(data, Hidden)
    assert used(found) == {"initialization": ["He"]}
    assert not any("the same without it" in said for said in found.remarks)
    assert any("dropout is called, and the logits change from call to call" in said for said in found.remarks)


def test_all_that_is_remembered_is_put_back(data):
    class Remembers(Base):
        def __init__(self):
            super().__init__()
            self.history, self.means, self.aside = [], {}, [nn.BatchNorm1d(3072)]
            self.array = numpy.zeros(3)
            calls = 0

            def counted(x):
                nonlocal calls
                calls += 1
                self.history.append(calls)
                return x

            self.counted = counted

        def change(self, x):
            self.array += 1
            self.means[len(self.means)] = x.mean()
            self.fc2.weight.data.mul_(1.1)
            self.bn.eval().train()
            self.late = nn.Linear(2, 2)
            x = x + torch.randn(x.shape, generator=self.torch_generator)
            return self.counted(self.aside[0](x))

    classifier = Classifier(Remembers, PLAIN)
    network = classifier.network
    network.fc1.weight.grad = torch.ones(64, 3072)
    network.bn.eval()
    weights, drawn = network.fc2.weight.clone(), network.torch_generator.get_state()
    found = census(classifier, data, 15, 75)
    assert "batch normalization" in names(found, "normalization")
    assert network.history == [] and network.means == {} and not hasattr(network, "late")
    assert not network.array.any() and not network.aside[0].running_mean.any()
    assert network.counted(0) == 0 and network.history == [1]
    assert torch.equal(network.fc2.weight, weights) and torch.equal(network.torch_generator.get_state(), drawn)
    assert network.fc1.weight.grad.sum() == 64 * 3072 and not network.bn.training


def test_a_layer_that_is_made_at_the_first_call_is_no_noise(data):
    class Late(Own):
        def forward(self, x):
            if not hasattr(self, "late"):
                self.late = nn.Linear(3072, 3072)
            return super().forward(self.late(x.flatten(1)))

    assert used(taken(data, Late)) == {}


def test_tensors_and_containers_are_put_back_as_often_as_asked():
    tensor, holder = torch.zeros(2, 3), {"list": [1, 2], "set": {1}, "tuple": ([3],)}
    expanded = torch.zeros(3).expand(2, 3)
    with undisturbed(tensor, holder, expanded, nn.Linear(2, 2)) as memory:
        for _ in range(2):
            tensor += 1
            holder["list"].append(3)
            holder["set"].clear()
            holder["tuple"][0].clear()
            holder["new"] = 1
            memory.put_back()
            assert not tensor.any() and holder == {"list": [1, 2], "set": {1}, "tuple": ([3],)}
        states = memory.states()
        assert memory.states() == states
        torch.rand(1)
        assert memory.states() != states
    assert Memory().generators


# The images that it is looked at with.


def test_what_works_for_batches_of_another_size_alone_does_not_count(data):
    class OfTheSize(Own):
        def __init__(self, size):
            super().__init__()
            self.size, self.inner = size, nn.Sequential(nn.BatchNorm1d(16), nn.Dropout(0.5))

        def forward(self, x):
            x = self.first(x.flatten(1))
            return self.head(self.inner(x) if len(x) == self.size else x)

    assert used(taken(data, lambda: OfTheSize(32))) == {}
    expected = {family: names for family, names in ALL.items() if family != "initialization"}
    assert used(taken(data, lambda: OfTheSize(data.batch_size))) == expected


# What has no effect, however it is hidden.


class ShiftsAllLogits(Own):
    def __init__(self):
        super().__init__()
        self.side = nn.Sequential(nn.Flatten(), nn.Linear(3072, 16), nn.BatchNorm1d(16), nn.Dropout(0.5))
        nn.init.kaiming_normal_(self.side[1].weight)

    def forward(self, x):
        return super().forward(x) + self.side(x).square().mean(1, keepdim=True)


class NextToNothing(Own):
    def __init__(self, scale):
        super().__init__()
        self.scale, self.side = scale, nn.Linear(3072, 10)
        nn.init.orthogonal_(self.side.weight)

    def forward(self, x):
        return super().forward(x) + self.scale * self.side(x.flatten(1))


class DeadGate(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.BatchNorm1d(16), nn.Dropout(0.5))
        self.gate = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return x + self.gate.detach() * self.inner(x)


class Sign(nn.Module):
    def forward(self, x):
        return x.sign() + x.tanh() - x.tanh().detach()


def constant_statistics(x):
    return F.batch_norm(x, torch.zeros(16), torch.linspace(0.1, 1, 16), training=False)


@pytest.mark.parametrize(
    "network",
    [
        ShiftsAllLogits,
        functools.partial(NextToNothing, 1e-20),
        functools.partial(NextToNothing, 1e-8),
        own(between=DeadGate),
        own(between=lambda: Functional(lambda x: x + 1e-9 * F.layer_norm(x * 1e12, (16,)))),
        own(between=lambda: Functional(lambda x: x + F.layer_norm(x, (16,), eps=1e12))),
        own(between=lambda: Functional(constant_statistics)),
        own(between=Sign),
    ],
    ids=["shift", "1e-20", "1e-8", "gate", "layer norm", "eps", "constant", "sign"],
)
def test_what_no_logit_owes_anything_to_does_not_count(network, data):
    assert used(taken(data, network)) == {}


def test_a_gate_within_a_gate_opens(data):
    class Gated(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.gates = nn.LayerNorm(16), nn.ParameterList(torch.zeros(1) for _ in range(2))

        def forward(self, x):
            return x + self.gates[0] * (x.tanh() + self.gates[1] * self.norm(x))

    assert used(taken(data, own(between=Gated))) == {"normalization": ["layer normalization"]}


def test_dropout_counts_for_itself_alone_beside_other_noise(data):
    class Noisy(Own):
        def forward(self, x):
            x = F.relu(self.between(self.first(x.flatten(1) + 0.1 * torch.randn_like(x.flatten(1)))))
            return self.head(x + 0.01 * torch.randn_like(x))

    def dropped(between):
        return names(taken(data, lambda: Noisy(between=between)), "regularization")

    assert dropped(functools.partial(nn.Dropout, 0.3)) == ["dropout", OWN_NOISE]
    assert dropped(functools.partial(nn.Dropout, 0.0)) == [OWN_NOISE]
    assert dropped(lambda: Discarded(functools.partial(nn.Dropout, 0.5))) == [OWN_NOISE]


def test_only_places_that_drop_are_counted(data):
    def several():
        return nn.Sequential(nn.Dropout(0.2), nn.Dropout(0.0), nn.Dropout(0.5).eval())

    [dropout] = taken(data, own(between=several)).strategies["regularization"]
    assert dropout.evidence == "in 1 place, p 0.2"


def test_weights_that_two_layers_share_learn_in_both(data):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Linear(3072, 32), nn.Linear(32, 32), nn.Linear(32, 32)
            self.c.weight = self.b.weight
            self.head = nn.Linear(32, 10)

        def forward(self, x):
            return self.head(F.relu(self.c(F.relu(self.b(F.relu(self.a(x.flatten(1))))))))

    assert not any("will not learn" in said for said in taken(data, Tied).remarks)


def test_one_channel_can_be_normalized(data):
    def network():
        return nn.Sequential(nn.Conv2d(3, 1, 3), nn.BatchNorm2d(1), nn.ReLU(), nn.Flatten(), nn.Linear(900, 10))

    assert used(taken(data, network)) == {"normalization": ["batch normalization"]}


def test_a_deep_network_without_normalization_keeps_its_initialization(data):
    def network():
        layers = [nn.Linear(3072, 64), nn.ReLU(), *[f() for _ in range(20) for f in (Square, nn.ReLU)]]
        return nn.Sequential(nn.Flatten(), *layers, nn.Linear(64, 10))

    class Square(nn.Linear):
        def __init__(self):
            super().__init__(64, 64)
            nn.init.xavier_uniform_(self.weight)

    assert names(taken(data, network), "initialization") == ["Xavier"]


def test_nothing_that_only_looked_is_left_after_the_training(data):
    torch.manual_seed(0)
    classifier = Classifier(DropsMoreAndMore, PLAIN)
    before = census(classifier, data, 15, 75)
    assert classifier.network.step == 0 and classifier.network.drop.p == 0.3
    classifier.network.step = 1000
    assert gone(before, classifier, data, 15, 75) == []


class Mapped(nn.Module):
    """Calls a function or module with one row after another, in torch.func.vmap."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return torch.func.vmap(self.inner, randomness="different")(x)


class Centred(nn.Module):
    def forward(self, row):
        return (row - row.mean()) / (row.std() + 1e-5)


MAPPED = {
    "layer": (lambda: nn.LayerNorm(16), {"normalization": ["layer normalization"]}),
    "affine": (lambda: lambda row: F.batch_norm(row[None], torch.zeros(16), torch.ones(16))[0], {}),
    "nothing": (lambda: lambda row: F.layer_norm(row, (16,), eps=1e9) * 0 + row, {}),
    "own": (Centred, {"normalization": ["own normalization"]}),
    "dropout": (lambda: nn.Dropout(0.5), {"regularization": ["dropout"]}),
    "linear": (lambda: nn.Sequential(nn.Linear(16, 16), nn.LayerNorm(16)), {"normalization": ["layer normalization"]}),
}


@pytest.mark.parametrize("inner", MAPPED)
def test_a_network_may_map_its_layers_over_a_batch(inner, data):
    make, expected = MAPPED[inner]
    assert used(taken(data, own(between=lambda: Mapped(make())))) == expected
