"""Client of a feed, as an app has one: docs/how-to/phone.md. `docs/phone/ModelFeed.java` makes the same checks."""
