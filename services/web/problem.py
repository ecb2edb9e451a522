"""What the edge itself says when something is wrong, in the services' one error shape."""

from starlette.responses import JSONResponse


def problem(status: int, code: str, message: str) -> JSONResponse:
    """Build the answer; 503 asks to come back in 2 s."""
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    if status == 503:
        headers["retry-after"] = "2"
    return JSONResponse({"code": code, "message": message}, status, headers=headers)
