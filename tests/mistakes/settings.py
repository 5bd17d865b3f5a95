"""Mistakes in settings: on a command line that starts from base.yaml, and in a file laid over it; and what is said of them."""

TINY = [
    *("--data.source.train=100", "--data.source.val=50", "--data.source.test=50", "--data.batch_size=50"),
    *("--trainer.max_epochs=1", "--trainer.accelerator=cpu", "--run.wandb=disabled", "--run.figures=false"),
    "--run.diagnostics=false",
]
BASE = ["--config", "configs/base.yaml", *TINY]
BASE_ALONE = ("--config", "configs/base.yaml")

OPTIONS = {
    "--model.network.width=-1": "model.network: width -1 is not in [1, inf)",
    "--model.network.width=0": "model.network: width 0 is not in [1, inf)",
    "--model.network.pool=0": "model.network: pool 0",
    "--model.network.stem_stride=0": "model.network: stem_stride 0",
    "--model.network.stages=-1": "model.network: stages -1",
    "--model.network=MLP --model.network.depth=-1": "model.network: depth -1",
    "--model.network=SpeedNet --model.network.widths=[]": "model.network: stages 0 is not in",
    "--trainer.accelerator=gpux": "trainer.accelerator: gpux is not here; there is auto, cpu",
    "--trainer.max_epochs=-1": "trainer.max_epochs: a run of -1 has no end",
    "--trainer.max_epochs=0": "trainer.max_epochs: 0 trains nothing",
    "--trainer.max_steps=0": "trainer.max_steps: 0 trains nothing",
    "--trainer.limit_train_batches=0": "trainer.limit_train_batches: 0 trains nothing",
    "--trainer.accumulate_grad_batches=0": "trainer.accumulate_grad_batches: 0 is not in",
    "--trainer.check_val_every_n_epoch=0": "trainer.check_val_every_n_epoch: 0 is not in",
    "--trainer.val_check_interval=0": "trainer.val_check_interval: 0 is not in",
    "--trainer.val_check_interval=100": "`val_check_interval` (100) must be less than or equal to the number of",
    "--trainer.gradient_clip_val=-1": "trainer.gradient_clip_val: -1 is not in",
    "--trainer.precision=fp16": "trainer.precision: expected 'auto', '32-true', '16-mixed'",
    "--seed_everything=null": "seed_everything: None is no seed",
    "--model.optimizer.lr=abc": "model.optimizer.lr: expected float or Tensor, found abc",
    "--model.optimizer.lr=.nan": "model.optimizer.lr: nan is no number to compute with",
    "--model.optimizer.lr=.inf": "model.optimizer.lr: inf is no number to compute with",
    "--model.optimizer=He": "found project.initialization.He, which belongs to model.initialization",
    "--model.network=SGD": "expected MLP, ConvNet, ResNet, SpeedNet or another Module, found torch.optim.SGD, which belongs",
    "--data.source=SGD": "Glyphs, found torch.optim.SGD, which belongs to model.optimizer",
    "--model.scheduler=StepLR": "missing step_size; give --model.scheduler.step_size VALUE",
    "--model.scheduler=StepLR --model.scheduler.step_size=0": "model.scheduler: ",
    "--model.scheduler=WarmupCosine --model.scheduler.warmup=5": "model.scheduler: warmup 5 is not in [0, 1)",
    "--model.initialization=Normal --model.initialization.std=-1": "model.initialization: std -1",
    "--model.initialization=Constant --model.initialization.value=abc": "value: expected float, found abc",
    "--model.network.activation=torch.nn.ReLUU": "torch.nn has no ReLUU; did you mean torch.nn.ReLU?",
    "--model.network.activation=torch.nn.Linear": "missing in_features, out_features; give --model.network",
    "--run.name=..": "run.name: '..' is not a plain name",
    "--ckpt_path=best": "--ckpt_path best: no run's config.yaml beside such a checkpoint is given",
    "--ckpt_path=configs/base.yaml": "--ckpt_path configs/base.yaml: no checkpoint of a run, or a damaged one",
    "--model.networkk.help ConvNet": "model.networkk: there is no such setting; did you mean model.network?",
    "--model.network.help ConvNett": "model.network: there is no class ConvNett; did you mean ConvNet?",
}

FILES = {
    "model: {regularization: [{class_path: Dropout, init_args: {p: 1.5}}]}": "model.regularization: p 1.5 is not in [0, 1]",
    "model: {normalization: {class_path: GroupNormalization, init_args: {groups: 0}}}": "model.normalization: groups 0",
    "data: {augmentation: [{class_path: Cutout, init_args: {size: -1}}]}": "data.augmentation: Cutout's size -1 is not in",
    "data: {augmentation: [{class_path: torchvision.transforms.v2.RandomHorizontalFlip, init_args: {p: 2.0}}]}": (
        "data.augmentation: `p` should be a floating point value in the interval [0.0, 1.0]"
    ),
    "trainer: {callbacks: [{class_path: pytorch_lightning.callbacks.Timer, init_args: {interval: foo}}]}": (
        "trainer.callbacks: Unsupported parameter value `Timer(interval=foo)`"
    ),
    "model: {optimizer: {class_path: SGD, init_args: {lr: abc}}}": "model.optimizer.lr: expected float or Tensor",
    "model: {optimizer: {class_path: 5}}": "model.optimizer: class_path: expected the name of a class, found 5",
    "model: {scheduler: {class_path: null}}": "model.scheduler: class_path: expected the name of a class, found None",
    "model:\n  regularization:\n  - Dropout: 0.2": (
        "model.regularization: Dropout names a class, and no setting; write {class_path: Dropout, init_args: {p: 0.2}}"
    ),
    "model: {regularization+: [{SWA: }]}": "SWA names a class, and no setting; write {class_path: SWA}",
    "data:\n  augmentation:\n  - Cutout:\n    size: 4": "write {class_path: Cutout, init_args: {size: 4}}",
    "model: {regularization: {Dropout: 0.2, L2: 0.1}}": "write [{class_path: Dropout, init_args: {p: 0.2}}]",
    "model: {optimizer: {torch.optim.SGD: {lr: 0.1}}}": "{class_path: torch.optim.SGD, init_args: {lr: 0.1}}",
    "model: {5: 6}": "Key must be a string, got: 5",
    "trainer: {max_epochs: 1, max_epochs: 2}": "the key 'max_epochs' is there twice",
}

LINES = [
    (("--config", "configs/bsae.yaml"), ["configs/bsae.yaml", "did you mean configs/base.yaml?"]),
    ((*BASE_ALONE, "--trainer.max_epoch=3"), ["trainer.max_epoch", "did you mean trainer.max_epochs?"]),
    (
        (*BASE_ALONE, "--model.optimizer=torch.optim.SDG"),
        ["torch.optim has no SDG", "did you mean torch.optim.SGD?"],
    ),
    ((*BASE_ALONE, "--model.initialization=project.initialization.Hee"), ["did you mean project.initialization.He?"]),
    ((*BASE_ALONE, "--trainer.max_epochs=many"), ["trainer.max_epochs", "many"]),
    ((*BASE_ALONE, "--trainer.max_epochs=-5"), ["trainer: ", "max_epochs", "-5"]),
    ((*BASE_ALONE, "--trainer.accelerator=gpux"), ["trainer.accelerator: gpux is not here", "cpu"]),
    ((*BASE_ALONE, "--trainer.strategy=foo"), ["trainer.strategy: ", "foo", "auto"]),
    ((*BASE_ALONE, "--trainer.devices=2"), ["trainer.devices", "one device"]),
    ((*BASE_ALONE, "--seed_everything=-1"), ["seed_everything: -1"]),
    ((*BASE_ALONE, "--data.batch_size=0"), ["data.batch_size", "0"]),
    ((*BASE_ALONE, "--model.optimizer.lr=-1"), ["model.optimizer", "-1"]),
    ((*BASE_ALONE, "--model.optimizer.lr=x"), ["model.optimizer.lr: expected float", "found x"]),
    ((*BASE_ALONE, "--model.scheduler=5"), ["model.scheduler: expected", "StepLR", "Cosine", "or null, found 5"]),
    ((*BASE_ALONE, "--model.scheduler=SGD"), ["model.scheduler: expected", "StepLR", "found torch.optim.SGD"]),
    ((*BASE_ALONE, "--model.scheduler=StepLR"), ["missing step_size", "--model.scheduler.step_size", "init_args:"]),
    ((*BASE_ALONE, "--model.normalization=batch"), ["there is no class batch", "BatchNormalization"]),
    ((*BASE_ALONE, "--model.regularization+=He"), ["expected a list of L1, L2", "found project.initialization.He"]),
    (
        (*BASE_ALONE, "--data.augmentation+=torch.nn.Identity"),
        ["expected a list of RandomCrop", "found torch.nn.Identity; one of your own derives from", "v2.Transform"],
    ),
    (
        (*BASE_ALONE, "--model.network.activation=Sigmoid"),
        ["model.network.activation", "give one of torch.nn.Sigmoid,"],
    ),
    ((*BASE_ALONE, "--model.network.activation=5"), ["model.network.activation: expected Module, found 5"]),
    ((*BASE_ALONE, "--model.network.stages=x"), ["model.network.stages: expected int, found x"]),
    ((*BASE_ALONE, "--run.wandb=so"), ["run.wandb: expected 'disabled', 'offline' or 'online', found so"]),
    ((*BASE_ALONE, "--data.source=project.data.Glyphs"), ["did you mean project.datasets.glyphs.Glyphs?"]),
    ((*BASE_ALONE, "--data.source=ImageArchive", "--data.source.path=no/such.zip"), ["no/such.zip"]),
    ((*BASE_ALONE, "--model.network.widht=3"), ["widht", "did you mean"]),
    (
        (*BASE_ALONE, "--model.network=submission.no_such_file.Net"),
        ["model.network: there is no file submission/no_such_file.py", "the folder submission/ beside main.py"],
    ),
    ((*BASE_ALONE, "--model.network=submission.Net"), ["submission.Net names no file", "submission.FILE.Net"]),
    ((), ["--config configs/quickstart.yaml"]),
]

OTHER_FILES = [
    ("model: {optimzer: {class_path: torch.optim.SGD}}", ["model.optimzer", "did you mean model.optimizer?"]),
    ("trainer: {max_epochs: fifteen}", ["trainer.max_epochs", "fifteen"]),
    ("model: {optimizer: {class_path: torch.optim.SGD, init_args: {momentm: 1}}}", ["momentm", "did you mean"]),
    (
        "model: {network: {class_path: submission.no_such_file.Net, init_args: {width: 3}}}",
        ["there is no file submission/no_such_file.py"],
    ),
    ("model: {optimizer: [", ["not valid YAML"]),
    ("just words", ["key: value"]),
]
