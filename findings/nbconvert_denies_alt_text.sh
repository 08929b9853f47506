#!/bin/sh
# nbconvert's HTML drops the alternative text that a picture of an output has, says on the page that there is none,
# and warns the author to add what is there.
#
# Seen with nbconvert 7.17.2 and IPython's Image(data, alt="..."), which keeps the text in the output's metadata as
# {"image/png": {"alt": "..."}}. By the template that is taken unless another is named, lab, width and height of the same
# metadata are used and alt is not: the img gets alt="No description has been provided for this image", and the log
# "Alternative text is missing on 1 image(s)." By reveal (slides) too. The older templates classic and basic use it, as
# jupyter/nbconvert#1112 taught them in 2019; lab's data_png (share/jupyter/nbconvert/templates/lab/base.html.j2) was
# written without that line. A picture in Markdown keeps its text, so that a look at the prose does not tell.
#
# What to do: a template of one's own that extends lab/index.html.j2, with a block data_png whose img has
# alt="{{ output | get_metadata('alt', 'image/png') | escape_html }}".
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check nbconvert==7.17.2 ipython==9.17.0
"$folder/venv/bin/python" - <<'PYTHON'
import base64
import logging
import re

import nbformat
from IPython.display import Image
from nbconvert import HTMLExporter

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
WORDS = "a falling curve"
data, metadata = Image(base64.b64decode(PNG), alt=WORDS, width=40)._repr_mimebundle_()
print("metadata of the output:", metadata)
assert metadata == {"image/png": {"alt": WORDS, "width": 40}}
data = {"image/png": PNG, "text/plain": "<Image>"}
output = nbformat.v4.new_output("display_data", data, metadata=metadata)
book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("shown", outputs=[output])])
nbformat.validate(book)

warned = []
log = logging.getLogger("nbconvert of a finding")
handler = logging.Handler()
handler.emit = lambda record: warned.append(record.getMessage())
log.addHandler(handler)
for template in ("lab", "classic", "basic", "reveal"):
    page, _ = HTMLExporter(template_name=template, log=log).from_notebook_node(book)
    (picture,) = re.findall(r"<img[^>]*>", page)
    print(template, re.sub(r"base64,[^\"]*", "base64,...", picture).replace("\n", " "))
    lost = template in ("lab", "reveal")
    assert ('alt="No description has been provided for this image"' in picture) == lost, "this has changed"
    assert (f'alt="{WORDS}"' in picture) == (not lost) and 'width="40"' in picture
print("warned:", warned)
assert warned == ["Alternative text is missing on 1 image(s)."] * 2
print("as stated")
PYTHON
