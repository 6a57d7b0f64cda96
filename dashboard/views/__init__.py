"""The pages, one file each; `two_classes` is a choice of the page Confusion."""
