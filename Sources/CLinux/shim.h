/* What Swift's Glibc module leaves out: epoll, eventfd, timerfd, and GNU functions hidden without _GNU_SOURCE. */
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

/* getaddrinfo's GNU errors (glibc's netdb.h). */
enum { LINUX_EAI_NODATA = -5, LINUX_EAI_ADDRFAMILY = -9 };

int accept4(int descriptor, struct sockaddr *address, socklen_t *length, int flags);

/* prctl is variadic, which Swift cannot call. */
static inline int linux_set_thread_name(const char *name)
{
    return prctl(PR_SET_NAME, name, 0, 0, 0);
}
