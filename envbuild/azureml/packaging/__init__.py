"""Models and a scoring script as an image, or as a folder that `docker build` takes."""
