"""What the stages published comes in; pages, cards and tracked runs for people go out.

A document is a file here and a template: report_page, data_page, model_card, data_card. `pages`,
`cards` and `figures` render them; `run_record` reads a run.
"""
