"""The command line: parsing of arguments, progress on stderr, the product on stdout. All work is done by `envbuild.api`."""
