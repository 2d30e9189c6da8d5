"""Map-style datasets, as torchvision has them and users write them, adapted to `DataSource`."""
