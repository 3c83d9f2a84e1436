"""What both ends know: phones and the plugin that answers them."""

from typing import Final

PASSWORD: Final = "wonderland"
REALM: Final = "example.com"
