// What Swift users import: the client and, on top of it, reading without threads that wait. That layer is a module
// of its own, so that the shared library, where nothing uses it, does not carry the concurrency runtime.
@_exported import RWSClient
