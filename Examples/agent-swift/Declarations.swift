extension Tools {
  /// The `tools` of the session's settings: the schemas of docs/explorer-tools.md.
  static let declarations = #"""
    [{"type": "function", "name": "list_files", "strict": true,
      "description": "List a directory: one path a line, relative to the root; directories end with '/'.",
      "parameters": {"type": "object", "additionalProperties": false, "required": ["path"],
        "properties": {
          "path": {"type": "string", "description": "A directory, relative to the root; '.' is the root."}}}},
     {"type": "function", "name": "read_file", "strict": true,
      "description": "Read lines of a text file, numbered from 1, both ends included.",
      "parameters": {"type": "object", "additionalProperties": false,
        "required": ["path", "start_line", "end_line"],
        "properties": {
          "path": {"type": "string"},
          "start_line": {"type": "integer"},
          "end_line": {"type": "integer", "description": "At most 200 lines are returned."}}}},
     {"type": "function", "name": "search", "strict": true,
      "description": "Find lines that contain a text, whatever its case: 'path:line: text' for each.",
      "parameters": {"type": "object", "additionalProperties": false, "required": ["pattern", "path"],
        "properties": {
          "pattern": {"type": "string", "description": "Plain text, no regular expression."},
          "path": {"type": "string", "description": "A file or directory to search; '.' is all."}}}}]
    """#
}
