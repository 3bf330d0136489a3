"""The explorer: a study as one HTML file that opens offline.

`page` puts it together from the sections of `sections`, the data of `curves`, and page.html, page.css and page.js.
"""
