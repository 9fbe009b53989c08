"""The Pusher that makes releases."""
