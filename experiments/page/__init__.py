"""What a command says: one page of words, tables and pictures, and a writer for each medium.

A command's ``page.py`` has ``page(tables, answer) -> Page``, which reads its tables and nothing
else, and ``read(directory) -> Page``, which takes them from the folder that the command left. So
``erasurehead report`` says again what the command said."""
