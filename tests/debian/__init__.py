"""Real Debian packages for tests."""
