"""What tests need around them: indexes, channels, certificates, a container engine. All on loopback."""
