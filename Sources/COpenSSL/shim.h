#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/* OpenSSL's macros, which Swift cannot import. */

static inline long openssl_ctx_set_min_tls_1_2(SSL_CTX *context)
{
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
}

static inline long openssl_ctx_set_mode(SSL_CTX *context, long mode)
{
    return SSL_CTX_set_mode(context, mode);
}

static inline long openssl_set_server_name(SSL *ssl, const char *name)
{
    return SSL_set_tlsext_host_name(ssl, name);
}

static inline long openssl_bio_memory(BIO *bio, const char **bytes)
{
    return BIO_get_mem_data(bio, (char **)bytes);
}

static inline EVP_PKEY *openssl_new_p256_key(void)
{
    return EVP_EC_gen("P-256");
}

static inline int openssl_name_print(BIO *bio, const X509_NAME *name)
{
    return X509_NAME_print_ex(bio, name, 0, XN_FLAG_ONELINE);
}

static inline int openssl_general_name_count(const GENERAL_NAMES *names)
{
    return sk_GENERAL_NAME_num(names);
}

static inline const GENERAL_NAME *openssl_general_name(const GENERAL_NAMES *names, int index)
{
    return sk_GENERAL_NAME_value(names, index);
}

static inline int openssl_error_reason(unsigned long error)
{
    return ERR_GET_REASON(error);
}

static inline long openssl_add_chain_certificate(SSL_CTX *context, X509 *certificate)
{
    return SSL_CTX_add0_chain_cert(context, certificate);
}

static inline void openssl_ctx_set_read_ahead(SSL_CTX *context)
{
    SSL_CTX_set_read_ahead(context, 1);
}

static inline long openssl_ctx_disable_session_cache(SSL_CTX *context)
{
    return SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
}

/* Sessions go to the callback only; OpenSSL's own cache is a server's. */
static inline long openssl_ctx_report_sessions(SSL_CTX *context)
{
    return SSL_CTX_set_session_cache_mode(context,
                                          SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
}

static inline int openssl_certificate_count(const STACK_OF(X509) *chain)
{
    return sk_X509_num(chain);
}

static inline X509 *openssl_certificate(const STACK_OF(X509) *chain, int index)
{
    return sk_X509_value(chain, index);
}
