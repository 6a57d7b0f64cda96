"""Prints where Playwright's Chromium lies, as the line of an environment file that the tests read."""

from playwright.sync_api import sync_playwright

with sync_playwright() as playwright:
    print(f"CHROMIUM={playwright.chromium.executable_path}")
