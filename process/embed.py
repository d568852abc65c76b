"""Writes a C++ source that holds files, which process/page.h finds by their paths.

    embed.py OUT FILE...
"""

import sys
from pathlib import Path

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def path_of(file: Path) -> str:
    return "/" if file.name == "index.html" else f"/page/{file.name}"


def array(number: int, data: bytes) -> str:
    rows = (data[at:at + 32] for at in range(0, len(data), 32))
    lines = ",\n".join(",".join(map(str, row)) for row in rows)
    return f"constexpr unsigned char file_{number}[] = {{\n{lines}}};\n"


def entry(number: int, file: Path) -> str:
    return (f'    {{"{path_of(file)}", "{TYPES[file.suffix]}",\n'
            f"     {{reinterpret_cast<const char*>(file_{number}), sizeof file_{number}}}}},\n")


def main(out: str, *names: str) -> None:
    files = [Path(name) for name in names]
    arrays = "\n".join(array(i, file.read_bytes()) for i, file in enumerate(files))
    entries = "".join(entry(i, file) for i, file in enumerate(files))
    Path(out).write_text(f"""#include "process/page.h"

namespace isthmus::process {{
namespace {{

{arrays}
const PageFile page_files[] = {{
{entries}}};

}}  // namespace

const PageFile* find_page_file(std::string_view path) {{
  for (const PageFile& file : page_files) {{
    if (file.path == path) return &file;
  }}
  return nullptr;
}}

}}  // namespace isthmus::process
""")


main(*sys.argv[1:])
