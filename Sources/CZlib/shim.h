#include <zlib.h>

/* zlib's macros, which Swift cannot import. Negative window bits mean raw DEFLATE (RFC 1951). */

static inline int zlib_inflate_init_raw(z_stream *stream, int window_bits)
{
    return inflateInit2(stream, -window_bits);
}

static inline int zlib_deflate_init_raw(z_stream *stream, int level, int window_bits, int mem_level)
{
    return deflateInit2(stream, level, Z_DEFLATED, -window_bits, mem_level, Z_DEFAULT_STRATEGY);
}
