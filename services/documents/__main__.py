"""Run the documents service: `python -m services.documents`."""

import sys

from services.common.lifecycle import run_service
from services.documents.app import build
from services.documents.settings import DocumentsSettings

if __name__ == "__main__":
    sys.exit(run_service(DocumentsSettings, build))
