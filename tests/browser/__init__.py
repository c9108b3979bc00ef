"""What only a browser can tell: ``make test-browser`` drives a headless Chromium."""
