"""What `python main.py --help` prints; nothing that takes time is imported for it."""

HELP = """\
usage: python main.py <command> [--config FILE ...] [--setting VALUE ...]

  look       at the data, before any training:        python main.py look --config configs/quickstart.yaml
  fit        train:                                   python main.py fit --config configs/quickstart.yaml
             several times, for the mean:             python main.py fit --config configs/quickstart.yaml --seeds 3
  validate   a checkpoint on the validation images:   python main.py validate --config RUN/config.yaml --ckpt_path RUN/checkpoints/best.ckpt
  test       a checkpoint on the test images
  predict    writes each test image's class and probabilities as CSV
  study      trains arms with several seeds each, and says what helped and whether it is more than noise:
             python main.py study --config configs/base.yaml --arm configs/initialization/he.yaml --seeds 5
             or compares runs that are there:         python main.py study runs/quickstart runs/quickstart-2
  gallery    draws the lecture's figures from real runs, in about half a minute

Files and settings merge key by key, in the order in which they are given; a later one wins:
  python main.py fit --config configs/base.yaml --config configs/normalization/batch.yaml --trainer.max_epochs 5

More:
  python main.py fit --help                           every setting
  python main.py fit --model.optimizer.help SGD       a class's settings
  python main.py fit --config A --print_config        the complete configuration, without a run
  configs/                                            strategies, data, presets, recipes: each says when to use it"""
