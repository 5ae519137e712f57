"""Debian's texts as moss's values: paragraphs, relations, indexes. Knows no file; `moss.foreign` opens packages."""
