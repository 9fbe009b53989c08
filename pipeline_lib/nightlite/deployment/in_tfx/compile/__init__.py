"""`make compile`: the models' compiled pipelines, made again only where what they were made of has changed."""
