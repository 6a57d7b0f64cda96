"""Parts of pages: pickers, tables, galleries, uploads, messages."""
