"""A model with more outputs than the data has classes, to be added to a project's ``nets.py``."""

# As slope, between four outputs that are always higher.
WIDE = """

class Wide(torch.nn.Module):
    def forward(self, images):
        two = Slope()(images)
        high = torch.full((len(two),), 99.0)
        return torch.stack([high, two[:, 1], high, high, two[:, 0], high], dim=1)


def wide():
    return Model(Wide(), classes=["a", "up", "b", "c", "down", "d"])
"""
