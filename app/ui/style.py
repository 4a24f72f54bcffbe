"""Style sheet of the page: what Streamlit's theme does not cover."""

from __future__ import annotations

import json

STYLE = """<style>
/* Streamlit's own texts are English in every language. */
[data-testid="InputInstructions"], [data-testid="stStatusWidget"] { display: none; }
[data-testid="stMainBlockContainer"] { max-width: 76rem; padding-top: 1rem; padding-bottom: 2rem; }
[data-testid="stMainBlockContainer"] > [data-testid="stVerticalBlock"] { gap: .7rem; }
[data-testid="stHeader"] { display: none; }  /* empty: the page has its own navigation */
[data-variant="segmented_control"][data-selected] p { color: var(--palm-text); }
:root { --palm-text: #2a211c; }
@media (prefers-color-scheme: dark) { :root { --palm-text: #f4ebe1; } }
[data-testid="stCaptionContainer"] { color: var(--palm-text); opacity: .8; }
[data-testid="stSliderThumbValue"] p { color: var(--palm-text); }
h2 { font-size: 1.5rem !important; }
h3 { font-size: 1.25rem !important; }
h1 { font-size: clamp(1.45rem, 5vw, 2.1rem) !important; padding: 0 0 .35rem !important; }
.palm-lead { max-width: 41rem; opacity: .85; margin: 0; }
.st-key-lead [data-testid="stHtml"] { flex: 1 1 20rem; min-width: 0; }
@media (max-width: 40rem) {
  h1 { font-size: 1.3rem !important; }
  .palm-lead { font-size: .9rem; line-height: 1.35; }
  .st-key-lead label { display: none; }  /* the field keeps its name for screen readers */
  .st-key-header { gap: .3rem !important; }  /* else the languages are a row of their own */
}
[data-testid="stPopoverButton"] [data-testid="stMarkdownContainer"] { white-space: normal; text-align: left; }
[data-testid="stPopoverButton"] p { white-space: normal; }
@media (max-width: 40rem) {  /* arrows alone: with their words, the number of the palm is a row of its own */
  [role=dialog] [data-testid="stVerticalBlock"] { gap: .6rem; }
  .st-key-score_line, .st-key-large_actions { row-gap: 0 !important; }
  .st-key-score_line [data-testid="stPopoverButton"] { min-height: 1.75rem; padding-block: 0; }
  .st-key-large_previous p, .st-key-large_next p { font-size: 0; }
  .st-key-large_previous p::before, .st-key-large_next p::before { font-size: 1.1rem; content: "←" / ""; }
  .st-key-large_next p::before { content: "→" / ""; }
}
.palm-ai { display: inline-block; padding: .1rem .6rem; border-radius: 1rem; font-size: .9rem;
  border: 1px solid currentColor; white-space: nowrap; }
.palm-score { font-variant-numeric: tabular-nums; }
.palm-band { display: inline-block; width: .7rem; height: .7rem; margin-right: .3rem; border-radius: 50%;
  background: #b3261e; }
.palm-band.middle { background: #d99a1c; border-radius: 0; }
.palm-band.high { background: #3f8f4f; border-radius: 0; transform: rotate(45deg) scale(.85); }
.palm-bands { display: grid; grid-template-columns: max-content 1fr; gap: .3rem .8rem;
  margin: 0 !important; padding: 0 !important; }
.palm-bands dt, .palm-bands dd { margin: 0 !important; padding: 0; }
input[aria-invalid=true] { box-shadow: inset 0 0 0 2px #b3261e; border-radius: .5rem; }
.palm-animation { display: block; max-width: 100%; border-radius: .8rem; }
.palm-samples { display: block; width: 100%; border-radius: .5rem; }
.palm-chart { display: block; max-width: 100%; height: auto; }
.palm-narrow { display: none; }
@media (max-width: 40rem) { .palm-wide { display: none; } .palm-narrow { display: block; } }
.palm-thumbnails { display: flex; gap: .4rem; overflow: hidden; height: 5rem; }
.palm-thumbnails img { height: 5rem; width: 5rem; border-radius: .4rem; image-rendering: pixelated; }
.palm-large { display: block; width: min(100%, 27rem); aspect-ratio: 1; margin: 0 auto;
  border-radius: .8rem; image-rendering: pixelated; }
.palm-large.smooth { image-rendering: auto; }
@media (max-width: 40rem) {  /* the variations are seen at once, below */
  .st-key-variation_current { display: grid !important; grid-template-columns: 8.5rem 1fr;
    gap: .2rem .9rem !important; align-items: start; }
  .st-key-variation_current > :first-child { grid-row: 1 / span 4; }
}
.palm-bars { display: grid; grid-template-columns: max-content minmax(4rem, 22rem) max-content;
  gap: .35rem .9rem; align-items: center; font-variant-numeric: tabular-nums; margin: 0 !important;
  padding: 0; }
.palm-bars i { display: block; height: .8rem; min-width: 2px; border-radius: .4rem; background: #c8683a; }
.palm-bars dt, .palm-bars dd { margin: 0 !important; padding: 0; }
.palm-pair { display: grid; grid-template-columns: 1fr 1fr; gap: .9rem; margin: 0; }
.palm-pair figure { margin: 0; }
.palm-pair figcaption { text-align: center; padding-top: .35rem; font-size: .95rem; }
.palm-table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .2rem 0 .4rem; }
.palm-table th, .palm-table td { padding: .4rem clamp(.6rem, 2.5vw, 1.6rem) .4rem 0;
  border-bottom: 1px solid #8884; text-align: left; font-weight: 400; vertical-align: top; }
.palm-table small { display: block; font-size: .75rem; opacity: .7; overflow-wrap: anywhere; }
.palm-table thead th { font-size: .9rem; opacity: .85; }
.palm-table td:nth-child(2) { font-weight: 650; }
.st-key-variations:focus { outline: none; }  /* the focus is put there, not walked to */
.st-key-page_language, .st-key-invalid_field, .st-key-enter_key, .st-key-focus_variations { display: none; }
.st-key-footer { border-top: 1px solid #8886; margin-top: 2rem; padding-top: .5rem; }
.palm-footer { font-size: .9rem; opacity: .9; }
</style>"""


def download_error(text: str) -> str:
    """Style sheet that shows a text where Streamlit has an English one, for five seconds.

    It is the one below the button of a download that could not be made.
    """
    error = '[data-testid="stDownloadButtonError"]'
    return (
        f"<style>{error}, {error} * {{ font-size: 0 !important; }}\n"
        f"{error}::after {{ content: {json.dumps(text, ensure_ascii=False)}; font-size: .95rem; "
        "display: block; max-width: 20rem; }</style>"
    )
