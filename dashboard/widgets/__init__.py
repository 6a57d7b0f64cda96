"""Parts of pages, such as menus, tables, uploads and messages."""
