"""The command line: it parses, calls operations and renders what they return; nothing else prints.

Read `main.py` first. What a command needs is imported when it is named, never before: see `verbs.py`.
"""
