"""What `azureml.train` has."""
