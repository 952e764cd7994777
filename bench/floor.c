/* The floor: what rawns' Lab does for the article's two namespaces and one cable, in plain C.
 *
 * floor_up() makes the same system calls with the same messages, in the same order, as `Lab.up` (compare the two with
 * `strace -f`).  With `lean` it makes only those that the result needs: the thread goes home once, /run/netns is
 * prepared once, and nothing is asked that only serves better error messages.
 * floor_down() is `Lab.down`.  Both return 0, or -errno after noting the failing step for floor_error().
 *
 * Compiled by floor.py. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>

#define NETNS_DIR "/run/netns"
#define HERE "/proc/thread-self/ns/net"
#define NEW (NLM_F_CREATE | NLM_F_EXCL)

static const char *step = "";
static int namespaces[2] = {-1, -1}, sockets[2] = {-1, -1};

const char *floor_error(void) { return step; }

/* The value of a call, or out of the function with its errno. */
#define TRY(call)                                                                                                      \
    ({                                                                                                                 \
        step = #call;                                                                                                  \
        int got_ = (int)(call);                                                                                        \
        if (got_ == -1)                                                                                                \
            return -errno;                                                                                             \
        got_;                                                                                                          \
    })
#define PASS(call)                                                                                                     \
    do {                                                                                                               \
        int failed_ = (call);                                                                                          \
        if (failed_ < 0)                                                                                               \
            return failed_;                                                                                            \
    } while (0)

/* -- namespaces ---------------------------------------------------------------------------------------------------- */

/* /run/netns as `ip` makes it: a mount of its own, shared. */
static int prepare(void) {
    int lock = open(NETNS_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock == -1 && errno == ENOENT) {
        TRY(mkdir(NETNS_DIR, 0755));
        lock = open(NETNS_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    TRY(lock);
    TRY(flock(lock, LOCK_EX));
    if (mount("", NETNS_DIR, "none", MS_SHARED | MS_REC, NULL) == -1) {
        TRY(mount(NETNS_DIR, NETNS_DIR, "none", MS_BIND | MS_REC, NULL));
        TRY(mount("", NETNS_DIR, "none", MS_SHARED | MS_REC, NULL));
    }
    TRY(close(lock));
    return 0;
}

static int claim(const char *path) { return TRY(close(TRY(open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0)))); }

static int name_it(int fd, const char *path) {
    char self[64];
    snprintf(self, sizeof self, "/proc/thread-self/fd/%d", fd);
    return TRY(mount(self, path, "none", MS_BIND, NULL));
}

/* -- rtnetlink ----------------------------------------------------------------------------------------------------- */

struct batch {
    unsigned char data[1024];
    size_t size;
    unsigned seq;
    struct nlmsghdr *last;
};

static void *grow(struct batch *batch, size_t size) {
    void *at = batch->data + batch->size;
    memset(at, 0, NLMSG_ALIGN(size));
    batch->size += NLMSG_ALIGN(size);
    return at;
}

static void *message(struct batch *batch, int type, int flags, size_t header) {
    struct nlmsghdr *head = batch->last = grow(batch, NLMSG_HDRLEN);
    head->nlmsg_type = type;
    head->nlmsg_flags = NLM_F_REQUEST | flags;
    head->nlmsg_seq = ++batch->seq;
    return grow(batch, header);
}

static void finish(struct batch *batch) {
    batch->last->nlmsg_len = batch->data + batch->size - (unsigned char *)batch->last;
}

static struct rtattr *put(struct batch *batch, int type, const void *data, size_t size) {
    struct rtattr *attr = grow(batch, RTA_LENGTH(size));
    attr->rta_type = type;
    attr->rta_len = RTA_LENGTH(size);
    if (size)
        memcpy(RTA_DATA(attr), data, size);
    return attr;
}

static void end(struct batch *batch, struct rtattr *nest) {
    nest->rta_len = batch->data + batch->size - (unsigned char *)nest;
}

static void up(struct batch *batch, int index) {
    struct ifinfomsg *link = message(batch, RTM_NEWLINK, 0, sizeof *link);
    link->ifi_index = index;
    link->ifi_flags = link->ifi_change = IFF_UP;
    finish(batch);
}

static void cable(struct batch *batch, int peer_namespace) {
    struct ifinfomsg *link = message(batch, RTM_NEWLINK, NEW, sizeof *link), *peer;
    link->ifi_index = 2;
    link->ifi_flags = link->ifi_change = IFF_UP;
    put(batch, IFLA_IFNAME, "v1", 3);
    struct rtattr *info = put(batch, IFLA_LINKINFO, NULL, 0);
    put(batch, IFLA_INFO_KIND, "veth", 4);
    struct rtattr *data = put(batch, IFLA_INFO_DATA, NULL, 0);
    struct rtattr *other = put(batch, VETH_INFO_PEER, NULL, 0);
    peer = grow(batch, sizeof *peer);
    peer->ifi_index = 2;
    put(batch, IFLA_IFNAME, "v2", 3);
    put(batch, IFLA_NET_NS_FD, &peer_namespace, 4);
    end(batch, other);
    end(batch, data);
    end(batch, info);
    finish(batch);
}

static void address(struct batch *batch, const char *text) {
    struct in_addr in;
    inet_pton(AF_INET, text, &in);
    struct ifaddrmsg *addr = message(batch, RTM_NEWADDR, NEW | NLM_F_ACK, sizeof *addr);
    addr->ifa_family = AF_INET;
    addr->ifa_prefixlen = 24;
    addr->ifa_index = 2;
    put(batch, IFA_LOCAL, &in, 4);
    put(batch, IFA_ADDRESS, &in, 4);
    finish(batch);
}

static int talk(int number, int lean) {
    int one = 1;
    int made = sockets[number] = TRY(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    if (lean)
        return 0;
    TRY(setsockopt(made, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof one));
    TRY(setsockopt(made, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof one));
    return 0;
}

/* One datagram out, one in; the last message asked for an acknowledgement, errors of the others come unasked. */
static int converse(int number, struct batch *batch) {
    unsigned char answer[65536];
    TRY(send(sockets[number], batch->data, batch->size, 0));
    int size = TRY(recv(sockets[number], answer, sizeof answer, MSG_DONTWAIT));
    for (struct nlmsghdr *head = (void *)answer; NLMSG_OK(head, size); head = NLMSG_NEXT(head, size)) {
        int failed = head->nlmsg_type == NLMSG_ERROR ? ((struct nlmsgerr *)NLMSG_DATA(head))->error : -EPROTO;
        if (failed || head->nlmsg_seq != batch->seq) {
            step = "the kernel's answer";
            return failed ? failed : -EPROTO;
        }
    }
    return 0;
}

static void near_batch(struct batch *batch) {
    cable(batch, namespaces[1]);
    up(batch, 1);
    address(batch, "10.0.0.1");
}

static void far_batch(struct batch *batch) {
    up(batch, 1);
    up(batch, 2);
    address(batch, "10.0.0.2");
}

/* -- all of it ----------------------------------------------------------------------------------------------------- */

/* A namespace with its socket, which is opened while the thread is inside anyway. */
static int create(int number, const char *path) {
    PASS(claim(path));
    int home = TRY(open(HERE, O_RDONLY | O_CLOEXEC));
    TRY(unshare(CLONE_NEWNET));
    namespaces[number] = TRY(open(HERE, O_RDONLY | O_CLOEXEC));
    PASS(talk(number, 0));
    TRY(setns(home, CLONE_NEWNET));
    TRY(close(home));
    return name_it(namespaces[number], path);
}

static int create_both_lean(char paths[2][300]) {
    int home = TRY(open(HERE, O_RDONLY | O_CLOEXEC));
    for (int number = 0; number < 2; number++) {
        PASS(claim(paths[number]));
        TRY(unshare(CLONE_NEWNET));
        namespaces[number] = TRY(open(HERE, O_RDONLY | O_CLOEXEC));
        PASS(name_it(namespaces[number], paths[number]));
        PASS(talk(number, 1));
    }
    TRY(setns(home, CLONE_NEWNET));
    return TRY(close(home));
}

static void spell(char paths[2][300], const char *one, const char *other) {
    snprintf(paths[0], sizeof paths[0], NETNS_DIR "/%s", one);
    snprintf(paths[1], sizeof paths[1], NETNS_DIR "/%s", other);
}

int floor_up(const char *one, const char *other, int lean) {
    char paths[2][300];
    struct batch near = {.size = 0}, far = {.size = 0};
    spell(paths, one, other);
    PASS(prepare());
    if (lean)
        PASS(create_both_lean(paths));
    else
        for (int number = 0; number < 2; number++)
            PASS(create(number, paths[number]));
    near_batch(&near);
    PASS(converse(0, &near));
    far_batch(&far);
    return converse(1, &far);
}

/* rawns looks first whether the name still is this namespace's. */
static int still_ours(int fd, const char *path) {
    struct stat mine, there;
    TRY(fstat(fd, &mine));
    TRY(stat(path, &there));
    return mine.st_ino == there.st_ino && mine.st_dev == there.st_dev ? 0 : -ESTALE;
}

int floor_down(const char *one, const char *other, int lean) {
    char paths[2][300];
    spell(paths, one, other);
    for (int number = 1; number >= 0; number--) {
        if (!lean)
            PASS(still_ours(namespaces[number], paths[number]));
        TRY(umount2(paths[number], MNT_DETACH));
        TRY(unlink(paths[number]));
        TRY(close(sockets[number]));
        TRY(close(namespaces[number]));
        sockets[number] = namespaces[number] = -1;
    }
    return 0;
}
