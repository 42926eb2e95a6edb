"""v1's services: as processes, in containers and in clusters; deployed, asked, changed and ended."""
