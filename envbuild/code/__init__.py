"""The user's own source code: from a folder to a wheel that an image can hold. No stranger's code is ever built here."""
