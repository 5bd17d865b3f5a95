"""Short names of classes: `SGD` stands for `torch.optim.SGD`. One table, so that a name means the same whatever is imported."""

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


def full_name(name: str) -> str:
    """The dotted name of a class; a name that is in no table stays as it is."""
    return FULL_NAMES.get(name, name)
