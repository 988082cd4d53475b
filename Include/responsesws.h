/*
 * responsesws.h - client for the WebSocket mode of the Responses API.
 *
 * This header is the authority on the C interface; the other manuals follow it.
 *
 * Five nouns
 *   client    configuration, credentials, one I/O thread, the connections
 *   session   one chain of responses: its settings and its history
 *   turn      one response.create, from request to terminal event
 *   event     one server event
 *   error     what happened, whether the request may have run, what to do next
 * Beneath them: socket, a raw WebSocket connection for programs with their own state.
 *
 * Conventions (they hold for every function below)
 *   Status     Fallible functions return rws_status: RWS_OK (0), a positive state that is no
 *              failure (RWS_DONE, RWS_TIMEOUT), or a negative error. Details of the last
 *              failed call on this thread: rws_last_error().
 *   Outputs    come last, end in _out, and are written only when RWS_OK is returned.
 *   Strings    In: C strings for configuration, pointer + length in bytes for JSON and text.
 *              Out: rws_string, UTF-8, not NUL-terminated, may hold NUL. A lone surrogate in
 *              the server's JSON arrives as its three-byte form (WTF-8).
 *   Ownership  "copied": the library keeps its own copy, yours may go after the call.
 *              "borrowed until ...": points into the library, never free it.
 *   Handles    rws_client, rws_session, rws_turn and rws_socket are opaque. Each has a _free; NULL is a
 *              no-op. Handles carry a generation: a call with a handle that was freed, or
 *              with a handle of another kind, returns RWS_ERR_INVALID_HANDLE and a second
 *              free does nothing. Parents and children may be freed in any order. Memory
 *              *borrowed* from a handle must not be read after its free.
 *   Threads    Every function may be called from any thread. A function with timeout_ms
 *              waits at most that long; no other function waits for the network.
 *   Callbacks  run on the client's I/O thread and must not block: a function called from one
 *              that would have to wait returns RWS_ERR_WOULD_DEADLOCK. All others are allowed.
 *   Structs    that cross the interface begin with struct_size; initialise them with their
 *              RWS_..._INIT. Zero in an option means its default. Fields are only appended.
 *   fork       In a forked child every handle of the parent returns RWS_ERR_FORKED; freeing
 *              one is allowed and touches nothing of the parent's. Make new clients there.
 *              fork waits for what the library's threads are doing, not for their waits and
 *              callbacks: mostly microseconds, a second at most.
 *   Signals    The library installs no handler and never lets SIGPIPE out.
 */
#ifndef RESPONSESWS_H
#define RESPONSESWS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RWS_VERSION_MAJOR 0
#define RWS_VERSION_MINOR 1
#define RWS_VERSION_PATCH 0
#define RWS_VERSION_NUMBER \
    ((RWS_VERSION_MAJOR << 16) | (RWS_VERSION_MINOR << 8) | RWS_VERSION_PATCH)

/** Version of the loaded library, "major.minor.patch". Static storage. @since 0.1 */
const char *rws_version(void);

/** RWS_VERSION_NUMBER of the loaded library. @since 0.1 */
uint32_t rws_version_number(void);

/* ------------------------------------------------------------------------- status */

typedef int32_t rws_status;

/*
 * X(name, value, message). Bands by blame: 100s the caller, 200s the network, 300s TLS,
 * 400s the WebSocket peer, 500s the API, 600s limits, 900s this library. An HTTP answer to the
 * upgrade is named for its cause where its status tells: 401 and 403 UNAUTHORIZED, 429 RATE_LIMITED,
 * 5xx but 501 OVERLOADED, others UPGRADE_REFUSED; http_status has the status.
 */
#define RWS_STATUS_MAP(X)                                                                     \
    X(OK, 0, "success")                                                                       \
    X(DONE, 1, "the turn has ended and all its events were read")                             \
    X(TIMEOUT, 2, "nothing happened within timeout_ms; ask again")                            \
    X(ERR_INVALID_ARGUMENT, -101, "an argument is NULL, too large or out of range")           \
    X(ERR_INVALID_HANDLE, -102, "the handle was freed or is of another kind")                 \
    X(ERR_INVALID_JSON, -103, "the JSON given is malformed or not of the documented kind")    \
    X(ERR_CLOSED, -104, "the client or session was closed")                                   \
    X(ERR_BUSY, -105, "another thread is reading this turn, or its events go to a callback")  \
    X(ERR_WOULD_DEADLOCK, -106, "a waiting call was made from a callback")                    \
    X(ERR_FORKED, -107, "the handle belongs to the parent process")                           \
    X(ERR_CANCELLED, -108, "the turn was cancelled by the caller")                            \
    X(ERR_FULL_RESEND, -109, "strict mode: the whole history would have been sent again")     \
    X(ERR_MISSING_OUTPUT, -110, "a tool call of the last response has no output in the input")\
    X(ERR_NOT_SUPPORTED, -111, "this cannot be done over HTTP")                               \
    X(ERR_API_KEY, -112, "the callback for the API key failed, or gave none in time")         \
    X(ERR_DNS, -201, "the host name could not be resolved")                                   \
    X(ERR_CONNECT_REFUSED, -202, "the host refused the connection")                           \
    X(ERR_CONNECT, -203, "no connection could be made")                                       \
    X(ERR_CONNECT_TIMEOUT, -204, "no connection within the connect timeout")                  \
    X(ERR_CONNECTION_LOST, -205, "the connection was cut before the turn ended")              \
    X(ERR_FIRST_EVENT_TIMEOUT, -206, "no event within the first-event timeout")               \
    X(ERR_EVENT_GAP_TIMEOUT, -207, "no further event within the event-gap timeout")           \
    X(ERR_TURN_TIMEOUT, -208, "the turn did not end within its timeout")                      \
    X(ERR_PROXY, -209, "the proxy could not reach the host, or broke")                        \
    X(ERR_PROXY_UNAUTHORIZED, -210, "the proxy refused the credentials, or its rules the host")\
    X(ERR_TLS, -301, "TLS failed")                                                            \
    X(ERR_TLS_UNTRUSTED, -302, "the server's certificate is not trusted")                     \
    X(ERR_TLS_HOSTNAME, -303, "the server's certificate is for another host")                 \
    X(ERR_TLS_EXPIRED, -304, "the server's certificate is not valid now")                     \
    X(ERR_TLS_PIN, -305, "none of the server's keys is among the pins")                       \
    X(ERR_UPGRADE_REFUSED, -401, "the server answered HTTP instead of WebSocket")             \
    X(ERR_UNAUTHORIZED, -402, "the server refused the credentials")                           \
    X(ERR_HANDSHAKE, -403, "the server's WebSocket handshake is invalid")                     \
    X(ERR_PROTOCOL, -404, "the server broke the WebSocket protocol (RFC 6455)")               \
    X(ERR_PEER_CLOSED, -405, "the server closed the connection before the turn ended")        \
    X(ERR_INVALID_EVENT, -406, "the server sent something that is no event")                  \
    X(ERR_API, -501, "the API returned an error")                                             \
    X(ERR_RESPONSE_FAILED, -502, "the response failed")                                       \
    X(ERR_PREVIOUS_RESPONSE_NOT_FOUND, -503, "the server no longer has the previous response")\
    X(ERR_RATE_LIMITED, -504, "the API's rate limit was reached")                             \
    X(ERR_CONTEXT_LENGTH, -505, "the context window is full")                                 \
    X(ERR_OVERLOADED, -506, "the API is overloaded or had an internal error")                 \
    X(ERR_CONNECTION_LIMIT, -507, "the connection reached its age limit")                     \
    X(ERR_MESSAGE_TOO_LARGE, -601, "a message exceeds the size limit")                        \
    X(ERR_LIMIT, -602, "a limit of the library was reached")                                  \
    X(ERR_RESOURCES, -603, "the system has no more descriptors, threads or memory")           \
    X(ERR_INTERNAL, -901, "internal error; please report it")

enum {
#define RWS_STATUS_ENUM_(name, value, message) RWS_##name = value,
    RWS_STATUS_MAP(RWS_STATUS_ENUM_)
#undef RWS_STATUS_ENUM_
    RWS_STATUS_ENUM_END_ = 3 /* not a status; ends the list without a trailing comma */
};

/** "RWS_ERR_DNS" for -201; "RWS_UNKNOWN" for a value of no status. Static storage. @since 0.1 */
const char *rws_status_name(rws_status status);

/** The message of the table above. Static storage. @since 0.1 */
const char *rws_status_message(rws_status status);

/* ------------------------------------------------------------------------ strings */

/** Bytes that the library owns. Borrowed; the function that gives it says until when. */
typedef struct rws_string {
    const char *data; /* never NULL when written by the library */
    size_t len;       /* bytes */
} rws_string;

/* ------------------------------------------------------------------------- errors */

/** How far a request had come when it failed: may it have run, may it be sent again? */
typedef int32_t rws_execution;
enum {
    RWS_EXECUTION_NOT_SENT = 0,   /* nothing, or no whole message, left this machine: repeat freely */
    RWS_EXECUTION_REJECTED = 1,   /* the server refused it before it ran: repeat freely */
    RWS_EXECUTION_UNKNOWN = 2,    /* sent, nothing but metadata (response.created) seen: it may have run */
    RWS_EXECUTION_STARTED = 3,    /* an item of its output had begun, nothing of it was seen */
    RWS_EXECUTION_OUTPUT_SEEN = 4 /* output was received; repeating it runs it twice */
};

/** One failure. Never holds a credential. */
typedef struct rws_error {
    size_t struct_size;
    rws_status status;
    rws_execution execution;
    int32_t http_status;    /* of a refused upgrade, a proxy's refusal or an API error; 0: none */
    int32_t close_code;     /* of the peer's close frame (RFC 6455 section 7.4); 0: none */
    int32_t is_retryable;   /* 1: the same request may succeed later (execution says at what risk) */
    int32_t reserved;
    int64_t retry_after_ms; /* what the server asked for; -1: nothing */
    rws_string message;     /* a sentence: what happened and what to do */
    rws_string code;        /* the API's error code, or empty */
    rws_string type;        /* the API's error type, or empty */
    rws_string param;       /* the API's param, or empty */
    rws_string request_id;  /* x-request-id, or empty */
    rws_string body;        /* the error as received: JSON of the event, or HTTP body; may be cut at 64 KiB */
} rws_error;
#define RWS_ERROR_INIT { sizeof(rws_error), 0, 0, 0, 0, 0, 0, -1, {"", 0}, {"", 0}, {"", 0}, {"", 0}, {"", 0}, {"", 0} }

/**
 * Details of the last call that failed on the calling thread.
 * @param error_out  Borrowed until the next failing call on this thread.
 * @return RWS_OK; RWS_DONE if no call has failed on this thread.
 * @since 0.1
 */
rws_status rws_last_error(rws_error *error_out);

/* ------------------------------------------------------------------------- client */

typedef struct rws_client rws_client;
typedef struct rws_session rws_session;
typedef struct rws_turn rws_turn;

#define RWS_NO_LIMIT ((int64_t)-1)

/** An additional header of the upgrade request. */
typedef struct rws_header {
    const char *name;
    const char *value;
} rws_header;

enum { RWS_LOG_ERROR = 1, RWS_LOG_WARNING = 2, RWS_LOG_INFO = 3, RWS_LOG_DEBUG = 4 };

/** Whether the client offers permessage-deflate (RFC 7692). */
/** What carries turns. */
typedef int32_t rws_transport;
enum {
    RWS_TRANSPORT_WEBSOCKET = 1,
    RWS_TRANSPORT_HTTP = 2, /* POST /v1/responses, answered by server-sent events; a connection for each response */
    RWS_TRANSPORT_AUTO = 3  /* WebSocket; HTTP at once where that cannot be had, until it can be had again */
};

enum {
    RWS_COMPRESSION_AUTOMATIC = 0, /* offered; used where the server accepts it */
    RWS_COMPRESSION_OFF = 1
};

/** Receives one log line (no newline, no credentials). May run on any thread of the library. */
typedef void (*rws_log_fn)(int32_t level, rws_string line, void *user_data);

/** Whether a turn that may have run is sent again when its connection is lost. */
enum {
    RWS_REPLAY_DEFAULT = 0,
    RWS_REPLAY_SAFE = 1,  /* the default: only where running twice costs but does no harm: store:false, no hosted
                             tools, no conversation, RWS_EXECUTION_UNKNOWN */
    RWS_REPLAY_NEVER = 2,
    RWS_REPLAY_ALWAYS = 3 /* up to RWS_EXECUTION_STARTED, whatever the settings */
};

/** A question for an API key: rws_api_key_answer(). */
typedef struct rws_api_key_request rws_api_key_request;

/**
 * Asked for a key before each connection is made, and before each HTTP exchange: for keys that do not last. It runs on
 * the client's I/O thread: it calls rws_api_key_answer() at once where the key is at hand, or else lets another thread
 * of yours fetch the key and answer. The connections of other sessions go on meanwhile; those that need the key wait, at
 * most connect_timeout_ms. One question is under way at a time, and all who wait share its answer (identities that
 * differ in organisation, project or headers are asked for each). It may call every function that does not wait.
 * @param request     To answer once; it needs no free. It ends with its answer, or when nobody waits any more.
 * @param is_refused  1: the server has refused (401) the key that was given last: find a new one, not a cached one.
 *                    That happens once for a connection; if the next key is refused too, its turns fail.
 * @param user_data   Yours. For a client's callback it must live until rws_client_free() has returned, for an
 *                    identity's until all its sessions are freed, or the client.
 */
typedef void (*rws_api_key_fn)(rws_api_key_request *request, int32_t is_refused, void *user_data);

/** Copied by rws_client_new(). Times in milliseconds; 0: default; RWS_NO_LIMIT: none. */
typedef struct rws_client_options {
    size_t struct_size;
    const char *base_url;      /* ws, wss, http or https; NULL: $OPENAI_BASE_URL, else wss://api.openai.com/v1 */
    const char *api_key;       /* sent as a bearer token; NULL: $OPENAI_API_KEY; "": no Authorization header */
    const char *organization;  /* OpenAI-Organization; NULL: none */
    const char *project;       /* OpenAI-Project; NULL: none */
    const rws_header *headers; /* further headers of the upgrade request */
    size_t header_count;
    const char *ca_file;       /* PEM certificates trusted besides the system's; NULL: none */
    int64_t connect_timeout_ms;     /* DNS, TCP, TLS and upgrade together; default 15,000 */
    int64_t first_event_timeout_ms; /* from the request sent to its first event; default 120,000 */
    int64_t event_gap_timeout_ms;   /* between two events of a turn; default 300,000 */
    int64_t turn_timeout_ms;        /* a whole turn, connecting included; default RWS_NO_LIMIT */
    uint64_t message_bytes_max;     /* of one received message; default 64 MiB, at most 1 GiB */
    rws_log_fn log;            /* NULL: silent */
    void *log_user_data;
    int32_t log_level;         /* lines up to this level; default RWS_LOG_WARNING */
    int32_t missed_pongs_max;  /* pings in a row that may stay unanswered; default 3, at most 1,000 */
    int64_t ping_interval_ms;  /* silence before a ping, and between pings; default 20,000 */
    int64_t write_stall_timeout_ms; /* bytes wait to be sent and the peer takes none; default 60,000 */
    int64_t idle_timeout_ms;   /* a connection that no turn uses is closed; default RWS_NO_LIMIT */
    uint64_t compression_threshold;  /* bytes; shorter messages are sent uncompressed; default 1,024 */
    uint64_t sent_message_bytes_max; /* of one sent message, uncompressed; at most 1 GiB; default 16 MiB for
                                        OpenAI's hosts, which refuse more, else 64 MiB */
    int32_t compression;       /* RWS_COMPRESSION_...; default automatic */
    int32_t is_strict;         /* 1: RWS_ERR_FULL_RESEND instead of an avoidable full resend, for tests of agents;
                                  0: $RESPONSESWS_STRICT (1: on) */
    const char *proxy;         /* below; NULL: as the environment says; "": none */
    const char *no_proxy;      /* hosts reached without a proxy; NULL: $no_proxy; "": none */
    int64_t dns_timeout_ms;     /* of these stages alone; default: what connect_timeout_ms leaves */
    int64_t tcp_timeout_ms;
    int64_t tls_timeout_ms;
    int64_t upgrade_timeout_ms;
    const char *client_certificate_file; /* PEM, its chain after it, for servers that ask (mTLS); NULL: none */
    const char *client_key_file;         /* PEM, not encrypted; NULL: in the certificate's file */
    const char *const *certificate_pins; /* "sha256/BASE64" of a public key (RFC 7469 section 2.4): the server's */
    size_t certificate_pin_count;        /* verified chain must have one of them; 0: any key will do */
    const char *vocabulary_file; /* .tiktoken, in the format of o200k_base, to count tokens of text with; read once;
                                    NULL: estimates go by bytes */
    rws_transport transport;     /* RWS_TRANSPORT_...; 0: $RESPONSESWS_TRANSPORT (websocket, http, auto), else WebSocket */
    int32_t replay_policy;       /* RWS_REPLAY_... */
    int32_t max_retries;         /* times that one turn may be sent again, for whatever reasons; default 4, at most
                                    100, -1: none */
    int32_t reserved;
    int64_t retry_backoff_ms;    /* a repeated attempt waits from 0 to this, each further one up to twice as long, at
                                    most 16 s; default 500, -1: no waits */
    int64_t connection_age_limit_ms; /* the server closes older connections; sessions move to new ones before; default
                                        60 minutes, for xAI 25; at least 1,000 */
    rws_api_key_fn on_api_key;   /* asked for a key before each connection, in the place of api_key; NULL: api_key */
    void *api_key_user_data;
    int32_t prime_rotation;      /* 1: a session that moves to a new connection has its whole history prepared there
                                    (generate:false), so that its next turn is a delta; costs the history once for each
                                    move. Only if it was active in the last five minutes (docs/recovery.md) */
    int32_t reserved2;
    int64_t websocket_retry_interval_ms; /* RWS_TRANSPORT_AUTO: where WebSocket could not be had it is tried again so
                                            often, in the background; default 60,000; RWS_NO_LIMIT: never */
} rws_client_options;
#define RWS_CLIENT_OPTIONS_INIT \
    { sizeof(rws_client_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
      0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/*
 * Proxies, as curl's users expect them (docs/proxies.md has the details).
 *   proxy     [scheme://][user:password@]host[:port], where the scheme is http (also without one),
 *             https (TLS with the proxy too), socks5 (names are looked up here) or socks5h (by the
 *             proxy). Without a port: 1080, https 443. User and password percent-encoded.
 *   no_proxy  Names (each with all below it), addresses, networks (10.0.0.0/8), each but networks
 *             perhaps with :port, separated by commas or blanks; "*": all. Holds for a proxy from
 *             the option and from the environment.
 *   Environment, read by rws_client_new(): for wss $wss_proxy, $https_proxy, for ws $ws_proxy,
 *             $http_proxy, else $all_proxy; $no_proxy. Lower case wins over upper case;
 *             HTTP_PROXY in upper case is not read.
 * A setting that cannot be read fails rws_client_new(); a proxy that fails, fails the connection.
 * Nothing ever goes round a proxy.
 */

/**
 * Makes a client. Nothing is connected yet.
 * @param options     NULL: all defaults.
 * @param client_out  Owned by the caller; release with rws_client_free().
 * @return RWS_OK; RWS_ERR_INVALID_ARGUMENT (a bad URL, header, pin, size, vocabulary or proxy setting); RWS_ERR_TLS (a
 *         certificate or key file cannot be used); RWS_ERR_RESOURCES.
 * @since 0.1
 */
rws_status rws_client_new(const rws_client_options *options, rws_client **client_out);

/**
 * Closes every connection with a close frame (RFC 6455 section 7.1.2). Turns that still run
 * end as cancelled. Waits until the peers answered or timeout_ms passed, then drops what is left.
 * Later calls that need the client return RWS_ERR_CLOSED. A second close returns RWS_OK.
 * @return RWS_OK; RWS_TIMEOUT (some peer did not answer; closed nevertheless);
 *         RWS_ERR_WOULD_DEADLOCK.
 * @since 0.1
 */
rws_status rws_client_close(rws_client *client, int64_t timeout_ms);

/**
 * Answers a question for an API key. From any thread, also within the callback that asked.
 * @param api_key  Copied. NULL or "": there is none, and those who wait fail with RWS_ERR_API_KEY.
 * @param problem  Then: a sentence for their error, without secrets. NULL: none.
 * @return RWS_OK; RWS_ERR_INVALID_HANDLE (answered already, or nobody waits any more); RWS_ERR_FORKED.
 * @since 0.1
 */
rws_status rws_api_key_answer(rws_api_key_request *request, const char *api_key, const char *problem);

/** What a client has done about failures since it was made, in all sessions together (docs/recovery.md). */
typedef struct rws_counters {
    size_t struct_size;
    uint64_t resend_count;          /* requests of turns that went out again and cannot have run before: rws.resent */
    uint64_t replay_count;          /* those that may have run before: rws.replayed */
    uint64_t retried_request_count; /* requests beside the turns (compacting, counting) that were made again */
    uint64_t connection_count;      /* WebSocket connections that were opened */
    uint64_t failed_dial_count;     /* connections, over whatever, that could not be made */
    uint64_t lost_connection_count; /* open connections that ended without the client's doing */
    uint64_t rotation_count;        /* times that a session moved to a younger connection: rws.rotated */
    uint64_t fallback_count;        /* turns that went over HTTP because WebSocket could not be had: rws.transport */
    uint64_t key_request_count;     /* times that on_api_key was called ... */
    uint64_t refused_key_count;     /* ... of which so many times because the server had refused the last key */
    uint64_t recovery_count;        /* turns that lost their connection and ended with what the server had stored:
                                       rws.recovered */
    uint64_t priming_count;         /* times that a session's context was prepared where it moved to */
} rws_counters;
#define RWS_COUNTERS_INIT { sizeof(rws_counters), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/** @return RWS_OK; RWS_ERR_CLOSED. @since 0.1 */
rws_status rws_client_counters(rws_client *client, rws_counters *counters_out);

/**
 * Closes without waiting for the peers and releases the client. When it returns, no callback of
 * this client runs any more and its thread and connections are gone; called from a callback, it
 * returns at once and that follows the callback. Two descriptors of its own, no longer used, go
 * with the last of its sessions and turns.
 * @since 0.1
 */
void rws_client_free(rws_client *client);

/* ------------------------------------------------------------------------ session */

/**
 * Starts a chain of responses.
 * @param settings  A JSON object: the fields of POST /v1/responses that every turn shares (model,
 *                  instructions, tools, store, ...), sent verbatim with each turn, unknown ones
 *                  included. Refused: input, previous_response_id, type, stream_id, generate, and
 *                  background:true. Not sent: stream and background:false, which mean nothing here. With
 *                  store:false, include:["reasoning.encrypted_content"] is added unless include is
 *                  given: without it the chain could not be sent whole later. Copied.
 * @param session_out  Owned by the caller; release with rws_session_free().
 * @return RWS_OK; RWS_ERR_INVALID_JSON; RWS_ERR_CLOSED; RWS_ERR_INVALID_ARGUMENT.
 * @since 0.1
 */
rws_status rws_session_new(rws_client *client, const char *settings, size_t settings_len,
                           rws_session **session_out);

/** As whom a session speaks, where that differs from its client. NULL: as the client. */
typedef struct rws_identity {
    size_t struct_size;
    const char *api_key;       /* sent as a bearer token; "": no Authorization header */
    const char *organization;  /* OpenAI-Organization; "": none */
    const char *project;       /* OpenAI-Project; "": none */
    const rws_header *headers; /* besides the client's; they win over those of the same name */
    size_t header_count;
    rws_api_key_fn on_api_key; /* asked for a key before each connection, in the place of api_key; NULL: the client's,
                                  if there is no api_key. Sessions share connections if this and user_data are the same. */
    void *api_key_user_data;
} rws_identity;

/* clang-format off */
#define RWS_IDENTITY_INIT { sizeof(rws_identity), NULL, NULL, NULL, NULL, 0, NULL, NULL }
/* clang-format on */

/**
 * As rws_session_new(), with credentials of its own. Sessions share a connection only if what the
 * server sees of them is the same: key, organisation, project and headers.
 * @param identity  Copied. NULL: as the client.
 * @since 0.1
 */
rws_status rws_session_new_as(rws_client *client, const char *settings, size_t settings_len,
                              const rws_identity *identity, rws_session **session_out);

/**
 * Connects ahead, so that the first turn need not wait for it. Free of charge, optional.
 * @return RWS_OK (connected, now or before); RWS_TIMEOUT (still connecting: the next call goes on
 *         with the same attempt); the error of the attempt, details in rws_last_error().
 * @since 0.1
 */
rws_status rws_session_connect(rws_session *session, int64_t timeout_ms);

/**
 * A session that goes on from where this one is: same settings, same history. Its first turn continues
 * this one's last response on a lane of its own, if this one has not gone on meanwhile; else it is sent
 * in full. The two do not wait for each other.
 * @param fork_out  Owned by the caller; release with rws_session_free().
 * @return RWS_OK; RWS_ERR_CLOSED.
 * @since 0.1
 */
rws_status rws_session_fork(rws_session *session, rws_session **fork_out);

/**
 * Id of the last response that belongs to the chain; empty before the first.
 * @param id_out  Borrowed until the next call of this function on the session, or its free.
 * @since 0.1
 */
rws_status rws_session_response_id(rws_session *session, rws_string *id_out);

/**
 * The body that POST /v1/responses would need for the same next turn: the settings and the whole
 * history followed by input. For measuring, debugging, or going on over HTTP. Sends nothing.
 * @param input     As in rws_turn_start().
 * @param body_out  Borrowed until the next call of this function on the session, or its free.
 * @return RWS_OK; RWS_ERR_INVALID_JSON.
 * @since 0.1
 */
rws_status rws_session_full_body(rws_session *session, const char *input, size_t input_len,
                                 rws_string *body_out);

/**
 * The session for another process: versioned JSON that rws_session_restore() takes. It holds the
 * settings, and what is committed of the history, byte for byte; a turn that runs is not part of it.
 * It holds prompts, outputs and ciphertext of reasoning: keep it as you keep those. It holds no
 * credentials: neither key nor headers, and those of MCP tools ("authorization", "headers" in
 * "tools") are left out.
 * @param saved_out  Borrowed until the next call of this function on the session, or its free.
 * @since 0.1
 */
rws_status rws_session_save(rws_session *session, rws_string *saved_out);

/**
 * As rws_session_save(), to a file that only its owner may read (mode 0600). It is written beside
 * path and renamed: there is the old file or the whole new one, whatever happens.
 * @return RWS_OK; RWS_ERR_RESOURCES (the file could not be written).
 * @since 0.1
 */
rws_status rws_session_save_file(rws_session *session, const char *path);

/**
 * A session that goes on from a saved one: by the id of its last response if that is stored, else
 * with one turn that sends the whole history (full_reason "restored").
 * @param saved      What rws_session_save() gave.
 * @param overrides  JSON object: settings that replace or, with null, remove those saved; length 0:
 *                   none. "tools" must be given again if credentials were left out there.
 * @param identity   As in rws_session_new_as(); NULL: as the client.
 * @return RWS_OK; RWS_ERR_INVALID_JSON (not made by rws_session_save(), or damaged);
 *         RWS_ERR_INVALID_ARGUMENT (another version, or credentials are missing); RWS_ERR_LIMIT.
 * @since 0.1
 */
rws_status rws_session_restore(rws_client *client, const char *saved, size_t saved_len,
                               const char *overrides, size_t overrides_len,
                               const rws_identity *identity, rws_session **session_out);

/** The books of a session, up to its last turn that ended: turns that failed too, for they were paid as well. */
typedef struct rws_ledger {
    size_t struct_size;
    uint64_t turn_count;         /* that were sent */
    uint64_t continuation_count; /* of them, those that had a history to send or to leave out */
    uint64_t delta_count;        /* of those, the ones that left it out */
    uint64_t resend_count;
    uint64_t unreported_count;   /* turns of which the server reported no usage: the tokens lack them */
    uint64_t context_loss_count; /* turns before which the server had silently lost the context */
    int64_t input_tokens;
    int64_t cached_tokens;       /* of the input */
    int64_t output_tokens;
    int64_t reasoning_tokens;    /* of the output */
    uint64_t sent_bytes;         /* requests as sent */
    uint64_t http_bytes;         /* what HTTP would have sent: settings and whole history with each turn */
    int64_t context_tokens;      /* what the next turn's input begins with; -1: not known */
    double delta_hit_rate;       /* delta_count of continuation_count, from 0 to 1; -1: there was none */
} rws_ledger;
#define RWS_LEDGER_INIT { sizeof(rws_ledger), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1, -1 }

/** A fork has books of its own. @since 0.1 */
rws_status rws_session_ledger(rws_session *session, rws_ledger *ledger_out);

/** Tokens that something will take: nearly always from low to high. */
typedef struct rws_estimate {
    size_t struct_size;
    int64_t tokens;
    int64_t low;
    int64_t high;
    uint64_t uncountable_parts; /* images, files, ciphertext: they are not in the figures */
} rws_estimate;
#define RWS_ESTIMATE_INIT { sizeof(rws_estimate), 0, 0, 0, 0 }

/**
 * What input will take in the next turn's input, besides the context so far (rws_ledger.context_tokens). Text is
 * counted with the client's vocabulary_file, or by its bytes; both learn from what the server reports. Sends nothing.
 * @param input  As in rws_turn_start().
 * @return RWS_OK; RWS_ERR_INVALID_JSON; RWS_ERR_CLOSED.
 * @since 0.1
 */
rws_status rws_session_estimate(rws_session *session, const char *input, size_t input_len,
                                rws_estimate *estimate_out);

/** Tokens as the server counted them; -1: not reported. */
typedef struct rws_usage {
    int64_t input_tokens;
    int64_t cached_tokens;      /* of the input */
    int64_t cache_write_tokens; /* of the input */
    int64_t output_tokens;
    int64_t reasoning_tokens;   /* of the output */
    int64_t total_tokens;
} rws_usage;

/** What a history was compacted to. */
typedef struct rws_compaction {
    size_t struct_size;
    rws_string output; /* the window that the session goes on from: a JSON array of items. Whoever gives whole
                          histories (is_history) puts it in the place of all so far. */
    rws_usage usage;   /* what compacting took */
} rws_compaction;
#define RWS_COMPACTION_INIT { sizeof(rws_compaction), {"", 0}, { -1, -1, -1, -1, -1, -1 } }

/**
 * Replaces the session's history by a smaller one that stands for it (POST /v1/responses/compact): the next turn sends
 * that window, full_reason "compacted", and goes on from there. The history goes to the server whole, over a connection of its own.
 * Turns that are started meanwhile wait for it. If it fails, the session is as before.
 * @param if_over_tokens  Do nothing if the context (input and output of the last response, as its usage says)
 *                        is known to be no larger; 0: compact in any case. With it, the call may precede every turn.
 * @param timeout_ms      How long this call waits; the compaction goes on after RWS_TIMEOUT, and the next call waits for
 *                        it (or begins anew, if a turn was started in between). The client's event_gap_timeout_ms and turn_timeout_ms bound it.
 * @param compaction_out  Borrowed until the next call of this function on the session, or its free. May be NULL.
 * @return RWS_OK; RWS_DONE (nothing to do: no history, or the context is not that large); RWS_TIMEOUT; RWS_ERR_BUSY (a turn
 *         of the session runs or waits); RWS_ERR_MISSING_OUTPUT (tool calls are not answered yet); RWS_ERR_WOULD_DEADLOCK; or why it
 *         failed, details in rws_last_error().
 * @since 0.1
 */
rws_status rws_session_compact(rws_session *session, int64_t if_over_tokens, int64_t timeout_ms,
                               rws_compaction *compaction_out);

/**
 * Tokens of the next turn's whole input, instructions and tools included, as the server counts them
 * (POST /v1/responses/input_tokens). The history goes to the server whole; nothing changes. Also while a turn runs: what
 * has been committed counts.
 * @param input       As in rws_turn_start(). One count of a session at a time: RWS_ERR_BUSY while another input is counted.
 * @param timeout_ms  As for rws_session_compact().
 * @return RWS_OK; RWS_TIMEOUT; RWS_ERR_BUSY; RWS_ERR_INVALID_JSON; RWS_ERR_WOULD_DEADLOCK; or why it failed, details in
 *         rws_last_error().
 * @since 0.1
 */
rws_status rws_session_count_tokens(rws_session *session, const char *input, size_t input_len, int64_t timeout_ms,
                                    int64_t *tokens_out);

/**
 * A descriptor to wait on in a loop of the caller's own (epoll, poll, asyncio, libuv): readable
 * while a turn of the session has events or an end that rws_turn_next() has not returned yet.
 * Only poll it. Stays open until the session is freed.
 * @since 0.1
 */
rws_status rws_session_descriptor(rws_session *session, int *descriptor_out);

/** Releases the session; its running turns end as cancelled. @since 0.1 */
void rws_session_free(rws_session *session);

/* ------------------------------------------------------------------------- events */

typedef int32_t rws_event_kind;
enum {
    RWS_EVENT_OTHER = 0, /* any type without a kind of its own: read type and json */
    RWS_EVENT_RESPONSE_CREATED = 1,
    RWS_EVENT_RESPONSE_QUEUED = 2,
    RWS_EVENT_RESPONSE_IN_PROGRESS = 3,
    RWS_EVENT_RESPONSE_COMPLETED = 4,
    RWS_EVENT_RESPONSE_FAILED = 5,
    RWS_EVENT_RESPONSE_INCOMPLETE = 6,
    RWS_EVENT_ERROR = 7,
    RWS_EVENT_OUTPUT_ITEM_ADDED = 10,
    RWS_EVENT_OUTPUT_ITEM_DONE = 11,
    RWS_EVENT_CONTENT_PART_ADDED = 12,
    RWS_EVENT_CONTENT_PART_DONE = 13,
    RWS_EVENT_OUTPUT_TEXT_DELTA = 14,
    RWS_EVENT_OUTPUT_TEXT_DONE = 15,
    RWS_EVENT_REFUSAL_DELTA = 16,
    RWS_EVENT_REFUSAL_DONE = 17,
    RWS_EVENT_FUNCTION_CALL_ARGUMENTS_DELTA = 18,
    RWS_EVENT_FUNCTION_CALL_ARGUMENTS_DONE = 19,
    RWS_EVENT_CUSTOM_TOOL_CALL_INPUT_DELTA = 20,
    RWS_EVENT_CUSTOM_TOOL_CALL_INPUT_DONE = 21,
    RWS_EVENT_REASONING_SUMMARY_PART_ADDED = 22,
    RWS_EVENT_REASONING_SUMMARY_PART_DONE = 23,
    RWS_EVENT_REASONING_SUMMARY_TEXT_DELTA = 24,
    RWS_EVENT_REASONING_SUMMARY_TEXT_DONE = 25,
    RWS_EVENT_REASONING_TEXT_DELTA = 26,
    RWS_EVENT_REASONING_TEXT_DONE = 27,
    RWS_EVENT_NOTICE = 100 /* from this library, not the server: type "rws.…", a JSON object */
};

/** One event. Strings are borrowed; the function or callback that gives it says until when. */
typedef struct rws_event {
    size_t struct_size;
    rws_event_kind kind;
    int32_t reserved;
    int64_t sequence_number; /* -1: the event has none */
    int64_t output_index;    /* -1: none */
    rws_string type;         /* "response.output_text.delta" */
    rws_string json;         /* the whole event as received */
    rws_string delta;        /* the decoded "delta" string; empty if there is none */
    rws_string item_id;      /* of delta and part events; empty if there is none */
    rws_string item;         /* JSON of the "item" member (output_item.added, .done), or empty */
    rws_string response;     /* JSON of the "response" member, or empty */
    rws_string stream_id;    /* the lane; empty: the default lane */
} rws_event;
#define RWS_EVENT_INIT \
    { sizeof(rws_event), 0, 0, -1, -1, {"", 0}, {"", 0}, {"", 0}, {"", 0}, {"", 0}, {"", 0}, {"", 0} }

struct cJSON;

/**
 * Parses JSON text into a cJSON tree; a convenience for C programs that use cJSON anyway. cJSON
 * refuses lone surrogates, cuts strings at U+0000 and stores numbers as double: where that
 * matters, read the text.
 * @param tree_out  Owned by the caller; release with cJSON_Delete().
 * @return RWS_OK; RWS_ERR_INVALID_JSON (cJSON refused it).
 * @since 0.1
 */
rws_status rws_json_tree(rws_string json, struct cJSON **tree_out);

/* -------------------------------------------------------------------------- turns */

/**
 * Called for each event, in order, then once with event NULL when the turn has ended (its result
 * and error are complete then). The event is borrowed until the callback returns.
 */
typedef void (*rws_event_fn)(rws_turn *turn, const rws_event *event, void *user_data);

/** Copied by rws_turn_start(). Times in milliseconds; 0: the client's; RWS_NO_LIMIT: none. */
typedef struct rws_turn_options {
    size_t struct_size;
    const char *overrides;  /* a JSON object: body fields of this turn that replace or, with null, remove those of the session; NULL: none */
    size_t overrides_len;   /* bytes */
    int32_t is_warm_up;     /* 1: generate:false; prepares the input on the server without output, and chains. Over HTTP nothing is
                               sent: the input goes with the next turn. */
    int32_t is_history;     /* 1: input is the whole history, as over HTTP; see rws_turn_start() */
    int64_t first_event_timeout_ms;
    int64_t event_gap_timeout_ms;
    int64_t turn_timeout_ms; /* expiry of any of the three cancels the turn */
    rws_event_fn on_event;   /* NULL: read with rws_turn_next() */
    void *user_data;
    int32_t abandon_calls;   /* 1: calls of the last response that input does not answer are given up: they, and the
                                reasoning that led to them alone, leave the history, which is sent in full; 0: they
                                fail the turn with RWS_ERR_MISSING_OUTPUT */
    int32_t replay_policy;   /* RWS_REPLAY_...; default: the client's */
    rws_transport transport; /* RWS_TRANSPORT_...; 0: as for the client. rws_stats.transport says what it was */
    int32_t reserved;
} rws_turn_options;
#define RWS_TURN_OPTIONS_INIT { sizeof(rws_turn_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/**
 * Starts a turn and returns at once; connects if need be. Turns of one session run one after
 * the other, in the order of their start. The library sends previous_response_id and the new
 * items only, or the whole history where the server cannot have it.
 * @param input      Only what is new: a JSON string (a user message), or a JSON array of input items
 *                   (messages, tool outputs). Items are sent byte for byte. Copied. len 0: none.
 *                   With is_history: a JSON array of all items so far, those of the responses included (they
 *                   may have gone through any JSON library), then what is new. It is compared with what the
 *                   server holds; what is new is sent where that can be continued, else all of it, and
 *                   rws_stats.full_reason says why. Not while another turn of the session runs or waits: that
 *                   turn then ends with RWS_ERR_BUSY.
 * @param options    NULL: all defaults.
 * @param turn_out   Owned by the caller; release with rws_turn_free(). May be NULL with a callback:
 *                   the turn is then released after its end.
 * @return RWS_OK; RWS_ERR_INVALID_JSON; RWS_ERR_CLOSED; RWS_ERR_MESSAGE_TOO_LARGE; RWS_ERR_LIMIT
 *         (256 turns of the session wait already); RWS_ERR_INVALID_ARGUMENT.
 * @since 0.1
 */
rws_status rws_turn_start(rws_session *session, const char *input, size_t input_len,
                          const rws_turn_options *options, rws_turn **turn_out);

/**
 * The next event of the turn.
 * @param timeout_ms  0: do not wait; RWS_NO_LIMIT: until an event or the end (both are bounded by
 *                    the turn's own time limits).
 * @param event_out   Set struct_size before (RWS_EVENT_INIT). Borrowed until the next call of this
 *                    function or rws_turn_next_batch() on the turn, or its free.
 * @return RWS_OK; RWS_DONE (ended well, completed or incomplete); RWS_TIMEOUT; RWS_ERR_BUSY;
 *         RWS_ERR_WOULD_DEADLOCK; or the error that ended the turn, details in
 *         rws_turn_error(). DONE and the error are returned again by later calls.
 * @since 0.1
 */
rws_status rws_turn_next(rws_turn *turn, int64_t timeout_ms, rws_event *event_out);

/** Events that were received together. Everything in it is borrowed as rws_turn_next_batch() says. */
typedef struct rws_event_batch {
    size_t struct_size;
    size_t event_size;       /* sizeof(rws_event), set by the caller: how far apart the events are */
    const rws_event *events; /* in order; never NULL when written by the library */
    size_t count;            /* at least 1 */
    rws_string memory;       /* holds every string of the events that is not empty: copy it to keep them all */
} rws_event_batch;
#define RWS_EVENT_BATCH_INIT { sizeof(rws_event_batch), sizeof(rws_event), 0, 0, {"", 0} }

/**
 * As rws_turn_next(), but all events at once that the library has in one piece: several for each
 * read of the socket, 256 at most. Much cheaper for each event; meant for bindings and for
 * programs that keep up with fast streams. May be mixed with rws_turn_next(). The session's
 * descriptor stays readable until a later call has found nothing more.
 * @param batch_out  Set struct_size and event_size before (RWS_EVENT_BATCH_INIT). Borrowed until
 *                   the next call of this function or rws_turn_next() on the turn, or its free.
 * @return As rws_turn_next().
 * @since 0.1
 */
rws_status rws_turn_next_batch(rws_turn *turn, int64_t timeout_ms, rws_event_batch *batch_out);

/**
 * Waits for the end. Events not read yet are dropped; the result holds what they said.
 * @return As rws_turn_next(), never RWS_OK.
 * @since 0.1
 */
rws_status rws_turn_wait(rws_turn *turn, int64_t timeout_ms);

/**
 * Stops a turn: it ends at once with RWS_ERR_CANCELLED. Events that were not delivered yet never
 * are; the result holds what they said. A callback still gets its last call, event NULL. The API
 * has no cancel event: the server may work on, and bill, to the end. The session goes on from its
 * last committed response. A turn that has ended stays as it is.
 * @since 0.1
 */
rws_status rws_turn_cancel(rws_turn *turn);

typedef int32_t rws_outcome;
enum {
    RWS_OUTCOME_RUNNING = 0,
    RWS_OUTCOME_COMPLETED = 1,
    RWS_OUTCOME_INCOMPLETE = 2, /* response.incomplete: incomplete_reason says why */
    RWS_OUTCOME_FAILED = 3,     /* rws_turn_error() says why */
    RWS_OUTCOME_CANCELLED = 4   /* by the caller or by a time limit */
};

/** What a turn has brought so far; complete when outcome is not RUNNING. */
typedef struct rws_result {
    size_t struct_size;
    rws_outcome outcome;
    int32_t reserved;
    rws_string response_id;
    rws_string text;              /* all output text, messages joined as received */
    rws_string refusal;
    rws_string reasoning_summary; /* parts separated by a blank line */
    rws_string incomplete_reason; /* "max_output_tokens", "content_filter", ... or empty */
    rws_string response;          /* JSON of the terminal event's response, or empty */
    size_t call_count;            /* client-side tool calls: rws_turn_call() */
    size_t item_count;            /* finished output items: rws_turn_item() */
    rws_usage usage;
    rws_string input_transformations; /* JSON of the response's field: input items that the server changed or kept from
                                         the model, with the reasons; empty: none */
} rws_result;
#define RWS_RESULT_INIT                                                                    \
    { sizeof(rws_result), 0, 0, {"", 0}, {"", 0}, {"", 0}, {"", 0}, {"", 0}, {"", 0}, 0, 0, \
      { -1, -1, -1, -1, -1, -1 }, {"", 0} }

/**
 * What has been received, whether read through rws_turn_next() yet or not.
 * @param result_out  Borrowed until the next call of this function on the turn, or its free.
 * @since 0.1
 */
rws_status rws_turn_result(rws_turn *turn, rws_result *result_out);

typedef int32_t rws_call_kind;
enum { RWS_CALL_FUNCTION = 0, RWS_CALL_CUSTOM = 1 };

/** A tool call that the caller has to answer in the session's next turn. */
typedef struct rws_call {
    size_t struct_size;
    rws_call_kind kind;    /* answer with function_call_output or custom_tool_call_output */
    int32_t is_complete;   /* 1: at its output_item.done; 0: arguments still stream */
    rws_string call_id;
    rws_string name;       /* known from output_item.added on */
    rws_string arguments;  /* JSON text of a function call, free text of a custom one; so far */
    rws_string item;       /* JSON of the finished item; empty until complete */
} rws_call;
#define RWS_CALL_INIT { sizeof(rws_call), 0, 0, {"", 0}, {"", 0}, {"", 0}, {"", 0} }

/**
 * The index-th tool call, in output order.
 * @param call_out  Borrowed until the next call of this function on the turn, or its free.
 * @return RWS_OK; RWS_ERR_INVALID_ARGUMENT (index is not below call_count).
 * @since 0.1
 */
rws_status rws_turn_call(rws_turn *turn, size_t index, rws_call *call_out);

/** JSON of the index-th finished output item; otherwise as rws_turn_call(). @since 0.1 */
rws_status rws_turn_item(rws_turn *turn, size_t index, rws_string *item_out);

/** What became of a steer. */
typedef int32_t rws_steer_state;
enum {
    RWS_STEER_SENT = 0,      /* the server has not answered */
    RWS_STEER_ACCEPTED = 1,  /* the server owns the input: do not send it again */
    RWS_STEER_PENDING = 2,   /* held until the session's next turn answers the response's calls; then at its head */
    RWS_STEER_COMMITTED = 3, /* part of the context: the successor, or the next turn, began with it */
    RWS_STEER_RETURNED = 4,  /* not used: give it with the next turn if it is still wanted */
    RWS_STEER_UNKNOWN = 5    /* the connection was lost or the turn ended first: it may have been used */
};

typedef struct rws_steer {
    size_t struct_size;
    rws_steer_state state;
    rws_status status;  /* why RETURNED or UNKNOWN, else RWS_OK */
    rws_string message; /* the same in words, or empty */
    rws_string code;    /* the API's error code ("steering_not_supported", ...), or empty */
} rws_steer;
#define RWS_STEER_INIT { sizeof(rws_steer), 0, 0, {"", 0}, {"", 0} }

/**
 * Gives the running response further user input (response.steer). The response ends at a safe boundary
 * (incomplete_reason "steered") or normally, and a successor may follow by itself, with the same settings:
 * rws_turn_successor(). Only some models can be steered.
 * @param input      As in rws_turn_start(); user messages with type, role and content only. Copied.
 * @param index_out  The turn's how many-th steer it is, for rws_turn_steering(). May be NULL.
 * @return RWS_OK; RWS_ERR_CLOSED (the turn has ended); RWS_ERR_INVALID_JSON; RWS_ERR_INVALID_ARGUMENT.
 * @since 0.1
 */
rws_status rws_turn_steer(rws_turn *turn, const char *input, size_t input_len, size_t *index_out);

/**
 * What has become of a steer, as soon as it is PENDING, COMMITTED, RETURNED or UNKNOWN; when timeout_ms
 * passes before, what it is then.
 * @param steer_out  Its strings are borrowed until the next call of this function on the turn, or its free.
 * @return RWS_OK; RWS_ERR_INVALID_ARGUMENT (no such steer); RWS_ERR_WOULD_DEADLOCK.
 * @since 0.1
 */
rws_status rws_turn_steering(rws_turn *turn, size_t index, int64_t timeout_ms, rws_steer *steer_out);

/**
 * The turn that follows by itself after steering. Read it like any other; its own successor may follow.
 * A successor that nobody takes before its turn is freed runs to its end unread.
 * @param successor_out  Owned by the caller; release with rws_turn_free().
 * @return RWS_OK; RWS_DONE (none follows); RWS_TIMEOUT (not known yet); RWS_ERR_WOULD_DEADLOCK.
 * @since 0.1
 */
rws_status rws_turn_successor(rws_turn *turn, int64_t timeout_ms, rws_turn **successor_out);

/** Sizes and times of one turn. Times in microseconds from rws_turn_start(); -1: not reached. */
typedef struct rws_stats {
    size_t struct_size;
    uint64_t request_bytes;      /* the response.create as sent (last sending) */
    uint64_t full_request_bytes; /* the body that HTTP would have needed: settings and whole history */
    uint64_t received_bytes;     /* JSON of all events */
    uint64_t event_count;
    int64_t sent_us;             /* the request was handed to the kernel */
    int64_t first_event_us;
    int64_t first_output_us;     /* first event with output (delta or item) */
    int64_t end_us;
    int32_t is_delta;            /* 1: previous_response_id was sent, 0: the whole history */
    int32_t resend_count;        /* times the request was sent again before it started */
    rws_string full_reason;      /* why not is_delta: "first", "reconnected", "lane_reused", "cancelled", "failed",
                                    "evicted", "not_found", "unfinished_call", "instructions_changed",
                                    "calls_abandoned", "elsewhere", "compacted", "http",
                                    or "prefix_changed: " and the path of the first difference; empty with is_delta */
    rws_string cache_break;      /* the first setting that changed so that the server's prompt cache is lost from there
                                    on, as in "tools[2].name"; empty: none. Still a delta. */
    int64_t input_tokens;        /* these four as in rws_usage, of failed turns too; -1: not reported */
    int64_t cached_tokens;
    int64_t output_tokens;
    int64_t reasoning_tokens;
    int64_t marginal_input_tokens; /* what the turn's own items added to the input; below 0 where reasoning was not
                                      rendered again or the context was cut; RWS_UNKNOWN: not known */
    int64_t expected_input_tokens; /* with is_context_lost: what the input would have had at least; else -1 */
    int32_t is_context_lost;     /* 1: the server had silently lost the history, and answered without it */
    rws_transport transport;     /* what carried the request (last sending); 0: it was not sent */
} rws_stats;
#define RWS_UNKNOWN INT64_MIN
#define RWS_STATS_INIT \
    { sizeof(rws_stats), 0, 0, 0, 0, -1, -1, -1, -1, 0, 0, {"", 0}, {"", 0}, -1, -1, -1, -1, RWS_UNKNOWN, -1, 0, 0 }

/**
 * @param stats_out  Its strings are borrowed until the next call of this function on the turn, or its free.
 * @since 0.1
 */
rws_status rws_turn_stats(rws_turn *turn, rws_stats *stats_out);

/**
 * Why the turn failed or was cancelled.
 * @param error_out  Borrowed until the turn is freed.
 * @return RWS_OK; RWS_DONE (the turn runs, or ended well).
 * @since 0.1
 */
rws_status rws_turn_error(rws_turn *turn, rws_error *error_out);

/**
 * Releases the turn; one that still runs is cancelled. When it returns, the turn's callback does not
 * run any more and will not be called again, not for the end either; so hold no lock that the
 * callback takes. Called from that callback, it returns at once.
 * @since 0.1
 */
void rws_turn_free(rws_turn *turn);

/* ----------------------------------------------------------------- raw connections */

/*
 * A WebSocket connection without session logic. It has its client's credentials, TLS and limits and
 * runs on its I/O thread; what goes through it is the caller's alone. Sockets, sessions and turns of
 * one client do not touch each other.
 */
typedef struct rws_socket rws_socket;

typedef int32_t rws_message_kind;
enum {
    RWS_MESSAGE_TEXT = 1,   /* valid UTF-8 */
    RWS_MESSAGE_BINARY = 2,
    RWS_MESSAGE_PONG = 3,   /* payload of a pong, also of one that answers the library's own (empty) pings; only with report_pongs */
    RWS_MESSAGE_OPENED = 4  /* the connection is open; no data; only with report_opening */
};

/** One whole message. Borrowed; the function or callback that gives it says until when. */
typedef struct rws_message {
    size_t struct_size;
    rws_message_kind kind;
    int32_t reserved;
    rws_string data;
} rws_message;
#define RWS_MESSAGE_INIT { sizeof(rws_message), 0, 0, {"", 0} }

/**
 * Called for each message, in order, then once with message NULL when the connection has ended
 * (rws_socket_info() and rws_socket_error() tell how). The message is borrowed until the callback
 * returns. What the callback sends leaves before the peer's next message is looked at.
 */
typedef void (*rws_message_fn)(rws_socket *socket, const rws_message *message, void *user_data);

/** Whether api_key, organization, project and headers of the client go with the upgrade request. */
typedef int32_t rws_credentials;
enum {
    RWS_CREDENTIALS_SAME_ORIGIN = 0, /* only to scheme, host and port of base_url */
    RWS_CREDENTIALS_ALWAYS = 1,
    RWS_CREDENTIALS_NEVER = 2
};

/** Copied by rws_socket_new(). Zero: default. */
typedef struct rws_socket_options {
    size_t struct_size;
    const char *url;           /* ws, wss, http or https; NULL: base_url followed by /responses */
    const rws_header *headers; /* sent in any case; they win over the client's of the same name */
    size_t header_count;
    const char *subprotocols;  /* offered, the preferred one first: "chat.2, chat.1"; NULL: none */
    rws_credentials credentials;
    int32_t report_pongs;      /* 1: pongs are received as messages */
    int32_t report_opening;    /* 1: the first message is RWS_MESSAGE_OPENED */
    int32_t reserved;
    uint64_t receive_queue_bytes_max; /* unread messages beyond this stop the reading from the network; default 8 MiB */
    uint64_t send_queue_bytes_max;    /* waiting for the network; default 64 MiB. Both at most 1 GiB */
    rws_message_fn on_message; /* NULL: read with rws_socket_receive() */
    void *user_data;
} rws_socket_options;
#define RWS_SOCKET_OPTIONS_INIT { sizeof(rws_socket_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/**
 * Begins to connect and returns at once.
 * @param options     NULL: all defaults.
 * @param socket_out  Owned by the caller; release with rws_socket_free(). Written before the first
 *                    callback.
 * @return RWS_OK; RWS_ERR_INVALID_ARGUMENT (a bad URL, header, subprotocol or size); RWS_ERR_CLOSED;
 *         RWS_ERR_TLS (the client's ca_file cannot be read).
 * @since 0.1
 */
rws_status rws_socket_new(rws_client *client, const rws_socket_options *options,
                          rws_socket **socket_out);

/**
 * Waits until the connection is open; optional, as what is sent before waits for that.
 * @return RWS_OK (open, now or before); RWS_TIMEOUT (still connecting; the client's
 *         connect_timeout_ms bounds that); why it could not be made, details in rws_socket_error().
 * @since 0.1
 */
rws_status rws_socket_connect(rws_socket *socket, int64_t timeout_ms);

/**
 * Queues a text message and returns at once.
 * @param text  Valid UTF-8. Copied.
 * @return RWS_OK; RWS_ERR_INVALID_ARGUMENT (not UTF-8); RWS_ERR_LIMIT (nothing was queued: more than
 *         send_queue_bytes_max would wait); RWS_ERR_MESSAGE_TOO_LARGE (sent_message_bytes_max of the
 *         client); RWS_ERR_CLOSED; the error that ended the connection.
 * @since 0.1
 */
rws_status rws_socket_send_text(rws_socket *socket, const char *text, size_t text_len);

/** Queues a binary message; otherwise as rws_socket_send_text(). @since 0.1 */
rws_status rws_socket_send_binary(rws_socket *socket, const void *data, size_t data_len);

/**
 * Queues a ping of at most 125 bytes; rws_socket_info() has the time until its pong. Otherwise as
 * rws_socket_send_binary().
 * @since 0.1
 */
rws_status rws_socket_ping(rws_socket *socket, const void *data, size_t data_len);

/**
 * Waits until everything sent so far was handed to the kernel.
 * @return RWS_OK; RWS_TIMEOUT (something is left); RWS_ERR_WOULD_DEADLOCK; RWS_ERR_CLOSED or the
 *         error that ended the connection (something never left).
 * @since 0.1
 */
rws_status rws_socket_flush(rws_socket *socket, int64_t timeout_ms);

/**
 * The next message.
 * @param timeout_ms   0: do not wait; RWS_NO_LIMIT: until a message or the end.
 * @param message_out  Set struct_size before (RWS_MESSAGE_INIT). Borrowed until the next call of this
 *                     function on the socket, or its free.
 * @return RWS_OK; RWS_DONE (ended well: closed by rws_socket_close(), or by the peer with code 1000,
 *         1001 or none); RWS_TIMEOUT; RWS_ERR_BUSY; RWS_ERR_WOULD_DEADLOCK; or the error that ended
 *         the connection, details in rws_socket_error(). DONE and the error are returned again by
 *         later calls.
 * @since 0.1
 */
rws_status rws_socket_receive(rws_socket *socket, int64_t timeout_ms, rws_message *message_out);

/**
 * A descriptor to wait on in a loop of the caller's own (epoll, poll, asyncio, libuv): readable
 * while there is a message, or an end, that rws_socket_receive() has not returned yet. Only poll
 * it. Stays open until the socket is freed.
 * @since 0.1
 */
rws_status rws_socket_descriptor(rws_socket *socket, int *descriptor_out);

/**
 * Begins the closing handshake (RFC 6455 section 7.1.2) and waits until the peer has answered or
 * timeout_ms has passed; then the connection is dropped. What was sent before goes out first,
 * messages that come after are discarded. A socket that is not open yet is given up, unless something
 * waits to be sent. With timeout_ms 0 it does not wait, and the peer gets 5 seconds. A second call
 * only sets another time limit.
 * @param code    1000 to 1003, 1007 to 1014 or 3000 to 4999.
 * @param reason  UTF-8 of at most 123 bytes; NULL with reason_len 0: none.
 * @return RWS_OK (over: answered, or ended otherwise); RWS_TIMEOUT (no answer in time);
 *         RWS_ERR_INVALID_ARGUMENT; RWS_ERR_WOULD_DEADLOCK.
 * @since 0.1
 */
rws_status rws_socket_close(rws_socket *socket, uint16_t code, const char *reason,
                            size_t reason_len, int64_t timeout_ms);

typedef int32_t rws_socket_state;
enum {
    RWS_SOCKET_CONNECTING = 0,
    RWS_SOCKET_OPEN = 1,
    RWS_SOCKET_CLOSING = 2,
    RWS_SOCKET_ENDED = 3
};

/** What is known about a connection. */
typedef struct rws_connection_info {
    size_t struct_size;
    rws_socket_state state;
    int32_t http_status;      /* of the answer to the upgrade: 101, or a refusal's; 0: none yet */
    int32_t close_code;       /* the peer's; 1005: its close frame had none; 1006: no close frame; 0: not ended */
    int32_t reserved;
    int64_t round_trip_us;    /* of the latest ping that was answered; -1: none */
    uint64_t queued_bytes;    /* sent and not taken by the kernel yet, frame headers included */
    size_t header_count;      /* of the answer: rws_socket_header() */
    rws_string subprotocol;   /* chosen by the server, or empty */
    rws_string extensions;    /* in use, as in Sec-WebSocket-Extensions, or empty */
    rws_string peer_address;  /* "127.0.0.1:443", "[::1]:443"; empty before it is open */
    rws_string tls_version;   /* "TLSv1.3"; empty without TLS */
    rws_string close_reason;  /* the peer's, or empty */
} rws_connection_info;
#define RWS_CONNECTION_INFO_INIT \
    { sizeof(rws_connection_info), 0, 0, 0, 0, -1, 0, 0, {"", 0}, {"", 0}, {"", 0}, {"", 0}, {"", 0} }

/**
 * @param info_out  Borrowed until the next call of this function on the socket, or its free.
 * @since 0.1
 */
rws_status rws_socket_info(rws_socket *socket, rws_connection_info *info_out);

/**
 * The index-th header of the answer to the upgrade, in its order; also of a refusal.
 * @param name_out, value_out  Borrowed until the next call of this function on the socket, or its free.
 * @return RWS_OK; RWS_ERR_INVALID_ARGUMENT (index is not below header_count).
 * @since 0.1
 */
rws_status rws_socket_header(rws_socket *socket, size_t index, rws_string *name_out,
                             rws_string *value_out);

/**
 * Why the connection could not be made, or how it failed.
 * @param error_out  Borrowed until the socket is freed.
 * @return RWS_OK; RWS_DONE (it lasts, or ended well).
 * @since 0.1
 */
rws_status rws_socket_error(rws_socket *socket, rws_error *error_out);

/**
 * Releases the socket; one that is not closed is cut. When it returns, its callback does not run any
 * more and will not be called again; so hold no lock that the callback takes. Called from that
 * callback, it returns at once.
 * @since 0.1
 */
void rws_socket_free(rws_socket *socket);

#ifdef __cplusplus
}
#endif
#endif
