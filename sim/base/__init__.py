"""What everything else stands on: errors, types, fields, numbers, files."""
