"""The language of the page for browsers and screen readers, down to the labels of Streamlit's own buttons."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

# Streamlit labels some buttons in English only. The original label is kept for the next change of language.
_JS = """
const texts = { labels: {}, skip: "" };

function relabel() {
  for (const button of document.querySelectorAll("button[aria-label], [role=navigation][aria-label]")) {
    const shown = button.getAttribute("aria-label");
    if (shown !== button.dataset.translated) button.dataset.original = shown;  // Streamlit has set it
    const label = button.dataset.original;
    for (const [original, translation] of Object.entries(texts.labels)) {
      const isPrefix = original.endsWith(" ") && label.startsWith(original);
      const wanted =
        label === original ? translation : isPrefix ? translation + label.slice(original.length) : null;
      if (wanted !== null && wanted !== shown) {
        button.dataset.translated = wanted;
        button.setAttribute("aria-label", wanted);
      }
    }
  }
  const skip = document.querySelector('a[href="#stMain"]');
  if (skip && skip.textContent !== texts.skip) skip.textContent = texts.skip;
}

export default function (component) {
  document.documentElement.lang = component.data.language;
  Object.assign(texts, component.data);
  if (!texts.observer) {
    texts.observer = new MutationObserver(relabel);
    const watched = { childList: true, subtree: true, attributes: true, attributeFilter: ["aria-label"] };
    texts.observer.observe(document.body, watched);
  }
  relabel();
}
"""

_page_language = st.components.v2.component("palm_page_language", js=_JS)


def set_page_language(language: str, labels: Mapping[str, str], skip_label: str) -> None:
    """Declare the language of the page, and translate the labels that Streamlit has in English only.

    Args:
        language: "ru" or "en".
        labels: Streamlit's English labels and their translations; one that ends in a space is a prefix.
        skip_label: text of the link to the main content, which is the first one for a keyboard.
    """
    with st.container(key="page_language"):
        data = {"language": language, "labels": dict(labels), "skip": skip_label}
        _page_language(data=data, key="language_of_page")
