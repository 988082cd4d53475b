"""As whom a session speaks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from . import _ffi
from ._arguments import Headers, c_string, header_list
from ._keys import APIKey, KeySource, key_source, key_text


@dataclass(frozen=True)
class Identity:
    """Credentials of a session, where they differ from its client's.

    Sessions share a connection only if key, organization, project and headers are the same.

    api_key: sent as a bearer token; "" for no Authorization header; or a callable that gives one, as of
        the client: then sessions share connections if it is the same. None: the client's.
    organization, project: "" for none. None: the client's.
    headers: besides the client's; they win over those of the same name.
    """

    api_key: Optional[APIKey] = field(default=None, repr=False)
    organization: Optional[str] = None
    project: Optional[str] = None
    headers: Optional[Headers] = field(default=None, repr=False)

    _source: Optional[KeySource] = field(init=False, default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Kept as long as somebody may be asked: its sessions keep the identity.
        object.__setattr__(self, "_source", key_source(self.api_key))

    def _native(self) -> _ffi.Identity:
        source = self._source
        return _ffi.identity(
            api_key=key_text(self.api_key),
            organization=c_string("organization", self.organization),
            project=c_string("project", self.project),
            headers=header_list(self.headers),
            key_source=None if source is None else source.number,
        )
