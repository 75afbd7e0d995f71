"""Writes the tables of keys into docs/config.md and docs/zh/config.md: between <!-- keys: SECTION --> and <!-- end -->.

  scripts/write_key_tables.py [build/release/bin/ingot]
"""

import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGES = {"docs/config.md": "en", "docs/zh/config.md": "zh"}
WORDS = {"en": {"head": "| key | default | meaning |", "required": "required", "none": "none", "also": "; also {}", "join": ", "},
         "zh": {"head": "| 键 | 默认值 | 含义 |", "required": "必填", "none": "无", "also": ";也可写作 {}", "join": "、"}}


def default_text(name, entry, schema, words):
    value = entry["default"]
    if name in schema["required"]:
        return words["required"]
    if "x-absent" in entry:
        return entry["x-absent"]
    if value in ("", None, [], {}):
        return words["none"]
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def table(section, schema, words):
    lines = [words["head"], "| --- | --- | --- |"]
    for name, entry in schema["properties"].items():
        if entry.get("x-section") == section:
            aliases = words["join"].join(f"`{alias}`" for alias in entry.get("x-aliases", []))
            meaning = entry["description"] + (words["also"].format(aliases) if aliases else "")
            lines.append(f"| `{name}` | {default_text(name, entry, schema, words)} | {meaning} |")
    return "\n".join(lines)


def written(page, schema, words):
    """The page with its tables as the schema has them."""
    return re.sub(r"<!-- keys: (\w+) -->\n.*?<!-- end -->",
                  lambda found: f"<!-- keys: {found[1]} -->\n{table(found[1], schema, words)}\n<!-- end -->", page, flags=re.DOTALL)


def pages(program):
    """path -> what the page has to be."""
    result = {}
    for name, language in PAGES.items():
        schema = json.loads(subprocess.run([program, "schema", "--language", language], capture_output=True, check=True, text=True).stdout)
        result[ROOT / name] = written((ROOT / name).read_text(), schema, WORDS[language])
    return result


if __name__ == "__main__":
    for path, text in pages(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build/release/bin/ingot").items():
        path.write_text(text)
