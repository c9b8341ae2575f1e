"""One reader per kind of document. They run inside the isolated worker and turn bytes into blocks."""
