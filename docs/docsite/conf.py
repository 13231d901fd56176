# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings of Sphinx for the site of the collection, which tools/docsite.py builds."""

from __future__ import annotations

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

ANSIBLE = "https://docs.ansible.com/ansible/latest/"
OF_ANSIBLE = {
    "action_plugins": "plugins/action.html",
    "ansible_configuration_settings": "reference_appendices/config.html",
    "common_return_values": "reference_appendices/common_return_values.html",
}
"""What antsibull-docs refers to in Ansible's own documentation, so that nothing has to be fetched from there."""

project = "restante.carbonio"
author = "The restante.carbonio contributors"
copyright = f"2026, {author}"
html_title = html_short_title = project

extensions = ["sphinx_antsibull_ext", "myst_parser"]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
nitpicky = True  # a reference that leads nowhere is a warning, and a warning ends the build
default_role = "any"
myst_heading_anchors = 4  # as a reader of the repository has them

html_theme = "sphinx_ansible_theme"
pygments_style = "ansible"
highlight_language = "none"  # what is indented in a guide is a command, an answer or a drawing
html_show_sphinx = False
html_copy_source = False
html_use_index = False


def in_ansible(
    _app: Sphinx, _environment: BuildEnvironment, reference: pending_xref, shown: nodes.Element
) -> nodes.reference | None:
    """Resolve a reference to Ansible's own documentation; return None for any other."""
    page = OF_ANSIBLE.get(reference["reftarget"])
    return None if page is None else nodes.reference("", "", shown, refuri=f"{ANSIBLE}{page}", internal=False)


def setup(app: Sphinx) -> None:
    """What Sphinx calls."""
    app.connect("missing-reference", in_ansible)
