"""Other names of classes. One table, so that a name means the same whatever is imported.

`SGD` is short for `torch.optim.SGD`, and where a class was in version 0.1.0 stands for where it is now.
"""

MODULES = {  # the first module that has a name gives it
    "project.networks": "MLP ConvNet ResNet SpeedNet",
    "project.optimization": "Muon SAM Cosine CosineRestarts WarmupCosine OneCycle Cyclic Polynomial Plateau",
    "project.regularization": "L1 L2 ElasticNet LabelSmoothing Mixup CutMix Dropout SpatialDropout StochasticDepth WeightDecay "
    "GradientClipping EarlyStopping EMA SWA",
    "project.augmentation": "RandomCrop RandomHorizontalFlip AlternatingFlip RandomAffine RandomRotation ColorJitter Cutout",
    "project.initialization": "Constant Normal Xavier He Orthogonal Dirac LSUV PatchWhitening",
    "project.normalization": "BatchNormalization LayerNormalization InstanceNormalization GroupNormalization RMSNormalization "
    "WeightNormalization WeightStandardization",
    "project.datasets.glyphs": "Glyphs",
    "project.datasets.image_archive": "ImageArchive",
    "project.datasets.tables": "ImageTable",
    "project.datasets.idx": "IDXImages",
    "project.datasets.downloaded": "CIFAR10 FashionMNIST",
    "project.datasets.tensor_folder": "TensorFolder",
    "torch.optim": "ASGD Adadelta Adagrad Adam AdamW Adamax LBFGS NAdam RAdam RMSprop Rprop SGD",
    "torch.optim.lr_scheduler": "ConstantLR CosineAnnealingLR CosineAnnealingWarmRestarts CyclicLR ExponentialLR LinearLR "
    "MultiStepLR OneCycleLR PolynomialLR ReduceLROnPlateau StepLR",
}
FULL_NAMES = {name: f"{module}.{name}" for module, names in reversed(MODULES.items()) for name in names.split()}
MOVED_FROM = (
    "project.data.archive",
    "project.data.augmentation",
    "project.data.glyphs",
    "project.data.sources",
)  # of 0.1.0


def full_name(name: str) -> str:
    """The dotted name of a class by now; a name that is in no table stays as it is."""
    module, _, last = name.rpartition(".")
    return FULL_NAMES.get(last if module in MOVED_FROM else name, name)
