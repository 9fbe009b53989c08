"""Client of a feed, as an app has one: docs/phone.md. `docs/phone/ModelFeed.java` makes the same checks."""
