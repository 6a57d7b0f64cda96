"""What pages are built from: pickers, tables, galleries, uploads, messages."""
