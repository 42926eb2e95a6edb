"""What `azureml.contrib` has."""
