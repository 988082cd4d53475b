"""As whom a session speaks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from . import _ffi
from ._arguments import Headers, c_string, header_list


@dataclass(frozen=True)
class Identity:
    """Credentials of a session, where they differ from its client's.

    Sessions share a connection only if key, organization, project and headers are the same.

    api_key: sent as a bearer token; "" for no Authorization header. None: the client's.
    organization, project: "" for none. None: the client's.
    headers: besides the client's; they win over those of the same name.
    """

    api_key: Optional[str] = field(default=None, repr=False)
    organization: Optional[str] = None
    project: Optional[str] = None
    headers: Optional[Headers] = field(default=None, repr=False)

    def _native(self) -> _ffi.Identity:
        return _ffi.identity(
            api_key=c_string("api_key", self.api_key),
            organization=c_string("organization", self.organization),
            project=c_string("project", self.project),
            headers=header_list(self.headers),
        )
