"""Why a document is kept or goes."""
