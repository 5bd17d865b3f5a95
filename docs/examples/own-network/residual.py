"""A small residual network of my own."""

from torch import nn


class Residual(nn.Module):
    """Two convolutions beside a shortcut, so that the block learns what to add to its input."""

    def __init__(self, channels):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x):
        return (x + self.body(x)).relu()


class ResidualNet(nn.Module):
    """A stem at half the resolution, then residual blocks with pooling and a wider convolution between them."""

    def __init__(self, num_classes: int = 10, in_channels: int = 3, normalization=None, width: int = 24):
        super().__init__()

        def widen(i, o, stride=1):
            return nn.Sequential(nn.Conv2d(i, o, 3, stride, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU())

        self.features = nn.Sequential(
            widen(in_channels, width, stride=2),
            Residual(width),
            nn.MaxPool2d(2),
            widen(width, 2 * width),
            Residual(2 * width),
            nn.MaxPool2d(2),
            widen(2 * width, 3 * width),
        )
        self.head = nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(3 * width, num_classes))

    def forward(self, images):
        return self.head(self.features(images))
