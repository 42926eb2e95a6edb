"""What `azureml.data` has: the kinds of datasets, and references to data."""

from envbuild.azureml.data.data_reference import DataReference
from envbuild.azureml.data.file_dataset import FileDataset
from envbuild.azureml.data.tabular_dataset import TabularDataset

__all__ = ["DataReference", "FileDataset", "TabularDataset"]
