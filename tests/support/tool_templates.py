"""Two chat templates that write tools, each with the habits of a family; both use Phi-3's tags."""

from __future__ import annotations

# As Qwen2.5's: definitions in the system turn, calls in tags beside the text, answers of tools in
# a row in one turn of the user.
TAGGED = """\
{%- if tools %}
{{- '<|system|>\\n' }}
{%- if messages[0].role == 'system' %}{{- messages[0].content + '\\n\\n' }}{%- endif %}
{{- '# Tools\\n<tools>' }}
{%- for tool in tools %}{{- '\\n' }}{{- tool | tojson }}{%- endfor %}
{{- '\\n</tools><|end|>\\n' }}
{%- elif messages[0].role == 'system' %}
{{- '<|system|>\\n' + messages[0].content + '<|end|>\\n' }}
{%- endif %}
{%- for message in messages %}
{%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}
{{- '<|' + message.role + '|>\\n' + message.content + '<|end|>\\n' }}
{%- elif message.role == 'assistant' %}
{{- '<|assistant|>\\n' + message.content }}
{%- for call in message.tool_calls or [] %}
{{- '\\n<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' }}
{{- call.function.arguments | tojson }}
{{- '}\\n</tool_call>' }}
{%- endfor %}
{{- '<|end|>\\n' }}
{%- elif message.role == 'tool' %}
{%- if messages[loop.index0 - 1].role != 'tool' %}{{- '<|user|>' }}{%- endif %}
{{- '\\n<tool_response>\\n' + message.content + '\\n</tool_response>' }}
{%- if loop.last or messages[loop.index0 + 1].role != 'tool' %}{{- '<|end|>\\n' }}{%- endif %}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|assistant|>\\n' }}{%- endif %}
"""

# As Llama-3.2's: definitions in the first turn of the user, one call that is the whole turn, and
# what a tool answers as JSON.
JSON_CALLS = """\
{%- set ns = namespace(first=true) %}
{%- for message in messages %}
{%- if message.role == 'tool' %}
{{- '<|user|>\\n' + (message.content | tojson) + '<|end|>\\n' }}
{%- elif message.tool_calls %}
{%- if message.tool_calls | length != 1 %}
{{- raise_exception('This model only supports single tool-calls at once!') }}
{%- endif %}
{%- set call = message.tool_calls[0].function %}
{{- '<|assistant|>\\n{"name": "' + call.name + '", "parameters": ' }}
{{- call.arguments | tojson }}
{{- '}<|end|>\\n' }}
{%- else %}
{{- '<|' + message.role + '|>\\n' }}
{%- if message.role == 'user' and ns.first and tools %}
{{- 'You may call these functions:\\n' }}
{%- for tool in tools %}{{- tool | tojson(indent=4) }}{{- '\\n\\n' }}{%- endfor %}
{%- endif %}
{%- if message.role == 'user' %}{%- set ns.first = false %}{%- endif %}
{{- message.content + '<|end|>\\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|assistant|>\\n' }}{%- endif %}
"""
