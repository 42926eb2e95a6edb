"""How much CPU and memory a service of models needs."""
