"""What the connector says about itself."""

import json

ID = "csv-people"
NAME = "People in CSV files"
VERSION = "0.1.0"

URL = "url"
ACCESS = "access"
API_KEY = "api-key"

ORIGINS = ["{settings.url}"]

SETTINGS = json.dumps(
    {
        "type": "object",
        "properties": {
            URL: {
                "type": "string",
                "title": "Address of the files",
                "description": "The folder in which fields.csv lies: https://files.example.com/crm",
                "pattern": "^https?://[^?#\\s]+$",
            },
            ACCESS: {
                "type": "string",
                "title": "Who may read the files",
                "description": "api-key: whoever sends the secret of this name as a bearer token",
                "enum": ["open", "api-key"],
                "default": "open",
            },
            API_KEY: {"type": "string", "title": "Key", "writeOnly": True},
        },
        "required": [URL],
        "additionalProperties": False,
        # A connector cannot ask whether a secret is there, so a setting says it, and the host sees that they agree.
        "if": {"required": [ACCESS], "properties": {ACCESS: {"const": "api-key"}}},
        "then": {"required": [API_KEY]},
    }
)
