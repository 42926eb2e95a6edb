"""What the edges share of the network: HTTP, credentials, downloads, image registries. Imports core, files and programs."""
