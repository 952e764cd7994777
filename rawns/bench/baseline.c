/* The baseline of the bench: its cases in plain C, with the system calls and messages that rawns uses, or fewer.
 *
 * bench_lab_up() sends what `Lab.up` sends, without the calls that only serve error messages.  bench_moved_pair() and
 * bench_move() create the pair in the current namespace and move both ends.  bench_star_up() builds a star on a bridge, in
 * the order given by `flags`.  The other functions are single steps.  A namespace is identified by its index in
 * `namespaces`.  Every function returns 0 or a positive result, or -errno after storing the failing call for bench_error().
 *
 * Compiled by c_library.py. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>

#define NETNS_DIR "/run/netns"
#define CURRENT_NETNS "/proc/thread-self/ns/net"
#define NEW (NLM_F_CREATE | NLM_F_EXCL)
#define MAX_NAMESPACES 8192 /* namespaces */
#define BATCH 100 /* messages in one datagram */
#define LAB_PROTOCOL 82   /* IFA_PROTO of a lab's addresses */
#define IFA_PROTO_ 11 /* Linux 5.18 */

enum { ONE_QUEUE = 1, NO_IPV6 = 2, TWO_THREADS = 4, BY_GROUP = 8, BRIDGE_FIRST = 16 };

static __thread const char *step = "";
static const char *failed_step = "";
static int namespaces[MAX_NAMESPACES], sockets[MAX_NAMESPACES];
static int same_calls; /* also make the calls that only serve error messages and concurrent programs */

const char *bench_error(void) { return failed_step; }
int bench_same_calls(int on) {
    same_calls = on;
    return 0;
}

int bench_fd(int number) { return namespaces[number]; }

/* Take over a descriptor; bench_delete() closes it. */
int bench_adopt(int number, int fd) {
    namespaces[number] = fd;
    sockets[number] = -1;
    return 0;
}

/* The value of a call; on failure, return -errno from the calling function. */
#define TRY(call)                                                                                                      \
    ({                                                                                                                 \
        step = #call;                                                                                                  \
        int got_ = (int)(call);                                                                                        \
        if (got_ == -1) {                                                                                              \
            failed_step = step;                                                                                        \
            return -errno;                                                                                             \
        }                                                                                                              \
        got_;                                                                                                          \
    })
#define CHECK(call)                                                                                                     \
    do {                                                                                                               \
        int failed_ = (call);                                                                                          \
        if (failed_ < 0)                                                                                               \
            return failed_;                                                                                            \
    } while (0)

/* -- namespaces ---------------------------------------------------------------------------------------------------- */

static void name_path(char path[300], const char *name) { snprintf(path, 300, NETNS_DIR "/%s", name); }

/* Make /run/netns a shared mount of its own, as `ip netns add` does. */
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

/* Create the file on which a namespace is mounted; `mark`, if not NULL, is written into it. */
static int create_file(const char *path, const char *mark) {
    int fd = TRY(open(path, (mark ? O_WRONLY : O_RDONLY) | O_CREAT | O_EXCL | O_CLOEXEC, 0));
    if (mark)
        TRY(write(fd, mark, strlen(mark)));
    TRY(close(fd));
    return 0;
}

static int bind_name(int fd, const char *path) {
    char self[64];
    snprintf(self, sizeof self, "/proc/thread-self/fd/%d", fd);
    TRY(mount(self, path, "none", MS_BIND, NULL));
    return 0;
}

/* Create a namespace and leave the thread in it. */
static int create_inside(int number, int with_socket) {
    TRY(unshare(CLONE_NEWNET));
    namespaces[number] = TRY(open(CURRENT_NETNS, O_RDONLY | O_CLOEXEC));
    sockets[number] = with_socket ? TRY(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)) : -1;
    if (with_socket && same_calls) {
        int one = 1;
        TRY(setsockopt(sockets[number], SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof one));
        TRY(setsockopt(sockets[number], SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof one));
    }
    return 0;
}

static int restore(int home) {
    TRY(setns(home, CLONE_NEWNET));
    TRY(close(home));
    return 0;
}

#define CURRENT TRY(open(CURRENT_NETNS, O_RDONLY | O_CLOEXEC))

/* The system calls of `NetNS.create`. */
int bench_create(int number, const char *name) {
    char path[300];
    if (name) {
        name_path(path, name);
        CHECK(prepare());
        CHECK(create_file(path, NULL));
    }
    int home = CURRENT;
    CHECK(create_inside(number, 0));
    CHECK(restore(home));
    return name ? bind_name(namespaces[number], path) : 0;
}

int bench_socket(int number) {
    int home = CURRENT;
    TRY(setns(namespaces[number], CLONE_NEWNET));
    sockets[number] = TRY(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    return restore(home);
}

int bench_enter(int number) {
    int home = CURRENT;
    TRY(setns(namespaces[number], CLONE_NEWNET));
    return restore(home);
}

int bench_delete(int number, const char *name) {
    char path[300];
    if (name) {
        name_path(path, name);
        if (same_calls) {
            struct stat status;
            TRY(stat(path, &status));
        }
        TRY(umount2(path, MNT_DETACH));
        TRY(unlink(path));
    }
    if (sockets[number] >= 0)
        TRY(close(sockets[number]));
    if (namespaces[number] >= 0)
        TRY(close(namespaces[number]));
    sockets[number] = namespaces[number] = -1;
    return 0;
}

/* -- many at once -------------------------------------------------------------------------------------------------- */

struct share {
    int from, to, result;
    int (*work)(int number);
};

static void *work_on_share(void *given) {
    struct share *share = given;
    for (int number = share->from; number < share->to && share->result == 0; number++)
        share->result = share->work(number);
    return NULL;
}

static int divide(int from, int to, int threads, int (*work)(int)) {
    struct share shares[256];
    pthread_t workers[256];
    for (int one = 0; one < threads; one++) {
        shares[one] = (struct share){from + (to - from) * one / threads, from + (to - from) * (one + 1) / threads, 0, work};
        if (threads == 1)
            work_on_share(&shares[one]);
        else if (pthread_create(&workers[one], NULL, work_on_share, &shares[one]))
            return -EAGAIN;
    }
    int result = 0;
    for (int one = 0; one < threads; one++) {
        if (threads > 1)
            pthread_join(workers[one], NULL);
        if (shares[one].result)
            result = shares[one].result;
    }
    return result;
}

static int create_anonymous(int number) { return bench_create(number, NULL); }

int bench_create_many(int count, int threads) { return divide(0, count, threads, create_anonymous); }

/* -- rtnetlink ----------------------------------------------------------------------------------------------------- */

struct batch {
    unsigned char data[BATCH * 256];
    size_t size;
    unsigned seq;
    int count;
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
    batch->count++;
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

static void text(struct batch *batch, int type, const char *value) { put(batch, type, value, strlen(value) + 1); }
static void number4(struct batch *batch, int type, unsigned value) { put(batch, type, &value, 4); }

static void end(struct batch *batch, struct rtattr *nest) {
    nest->rta_len = batch->data + batch->size - (unsigned char *)nest;
}

/* Set an existing link up, or its alias, or both. */
static void set_link(struct batch *batch, int index, int up, const char *alias) {
    struct ifinfomsg *link = message(batch, RTM_NEWLINK, 0, sizeof *link);
    link->ifi_index = index;
    if (up)
        link->ifi_flags = link->ifi_change = IFF_UP;
    if (alias)
        put(batch, IFLA_IFALIAS, alias, strlen(alias));
    finish(batch);
}

struct end {
    int index;
    const char *name;
    int namespace; /* descriptor of its namespace, or -1 for the one to which the message is sent */
};

static void put_link(struct batch *batch, struct end end, unsigned group, int flags) {
    text(batch, IFLA_IFNAME, end.name);
    if (group)
        number4(batch, IFLA_GROUP, group);
    if (flags & ONE_QUEUE) {
        number4(batch, IFLA_NUM_TX_QUEUES, 1);
        number4(batch, IFLA_NUM_RX_QUEUES, 1);
    }
    if (end.namespace >= 0)
        number4(batch, IFLA_NET_NS_FD, end.namespace);
}

static void veth(struct batch *batch, struct end near, struct end far, int up, unsigned group, int master, int flags) {
    struct ifinfomsg *link = message(batch, RTM_NEWLINK, NEW, sizeof *link), *peer;
    link->ifi_index = near.index;
    if (up)
        link->ifi_flags = link->ifi_change = IFF_UP;
    put_link(batch, near, group, flags);
    if (master)
        number4(batch, IFLA_MASTER, master);
    struct rtattr *info = put(batch, IFLA_LINKINFO, NULL, 0);
    put(batch, IFLA_INFO_KIND, "veth", 4);
    struct rtattr *data = put(batch, IFLA_INFO_DATA, NULL, 0);
    struct rtattr *other = put(batch, VETH_INFO_PEER, NULL, 0);
    peer = grow(batch, sizeof *peer);
    peer->ifi_index = far.index;
    put_link(batch, far, group, flags);
    end(batch, other);
    end(batch, data);
    end(batch, info);
    finish(batch);
}

/* `lab`: with the protocol number of a lab's addresses. */
static void address(struct batch *batch, int index, in_addr_t value, int length, int lab) {
    unsigned char protocol = LAB_PROTOCOL;
    struct ifaddrmsg *addr = message(batch, RTM_NEWADDR, NEW, sizeof *addr);
    addr->ifa_family = AF_INET;
    addr->ifa_prefixlen = length;
    addr->ifa_index = index;
    put(batch, IFA_LOCAL, &value, 4);
    put(batch, IFA_ADDRESS, &value, 4);
    if (lab)
        put(batch, IFA_PROTO_, &protocol, 1);
    finish(batch);
}

/* Send one datagram and receive one.  Only the last message asks for an acknowledgement; errors of the others are sent anyway. */
static int exchange(int number, struct batch *batch) {
    unsigned char answer[8192];
    if (!batch->count)
        return 0;
    batch->last->nlmsg_flags |= NLM_F_ACK;
    TRY(send(sockets[number], batch->data, batch->size, 0));
    int size = TRY(recv(sockets[number], answer, sizeof answer, MSG_DONTWAIT));
    for (struct nlmsghdr *head = (void *)answer; NLMSG_OK(head, size); head = NLMSG_NEXT(head, size)) {
        int failed = head->nlmsg_type == NLMSG_ERROR ? ((struct nlmsgerr *)NLMSG_DATA(head))->error : -EPROTO;
        if (failed || head->nlmsg_seq != batch->seq) {
            failed_step = "the kernel's answer";
            return failed ? failed : -EPROTO;
        }
    }
    batch->size = 0;
    batch->count = 0;
    return 0;
}

/* -- single steps, each a message in a datagram of its own ---------------------------------------------------------- */

#define NEW_BATCH static __thread struct batch batch; batch.size = 0; batch.count = 0

int bench_pair(int near, int far) {
    NEW_BATCH;
    veth(&batch, (struct end){0, "v1", -1}, (struct end){0, "v2", namespaces[far]}, 0, 0, 0, 0);
    return exchange(near, &batch);
}

int bench_address(int number, int index, const char *value, int length) {
    NEW_BATCH;
    address(&batch, index, inet_addr(value), length, 0);
    return exchange(number, &batch);
}

int bench_up(int number, int index) {
    NEW_BATCH;
    set_link(&batch, index, 1, NULL);
    return exchange(number, &batch);
}

int bench_route(int number, const char *to, int length, const char *via) {
    NEW_BATCH;
    in_addr_t there = inet_addr(to), gateway = inet_addr(via);
    struct rtmsg *route = message(&batch, RTM_NEWROUTE, NEW, sizeof *route);
    route->rtm_family = AF_INET;
    route->rtm_dst_len = length;
    route->rtm_table = RT_TABLE_MAIN;
    route->rtm_protocol = RTPROT_BOOT;
    route->rtm_scope = RT_SCOPE_UNIVERSE;
    route->rtm_type = RTN_UNICAST;
    put(&batch, RTA_DST, &there, 4);
    put(&batch, RTA_GATEWAY, &gateway, 4);
    finish(&batch);
    return exchange(number, &batch);
}

/* Return when an interface that has a carrier transmits: the kernel completes the change for ethtool's question.
 * Without it the end of a pair that was opened first drops what is sent until a work queue has run. */
static int activate(int number, const char *name) {
    struct ethtool_value value = {.cmd = ETHTOOL_GLINK};
    struct ifreq request = {.ifr_data = (void *)&value};
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    TRY(ioctl(sockets[number], SIOCETHTOOL, &request));
    return 0;
}

/* -- the article ---------------------------------------------------------------------------------------------------- */

/* `Lab.up`: both ends created in place, one datagram to each namespace, the lab's stamp on everything.  Names may be NULL. */
int bench_lab_up(const char *one, const char *other, const char *mark, const char *other_mark, const char *wire, unsigned group) {
    const char *marks[2] = {mark, other_mark};
    char paths[2][300];
    NEW_BATCH;
    if (one) {
        name_path(paths[0], one);
        name_path(paths[1], other);
        CHECK(prepare());
    }
    int home = CURRENT;
    for (int number = 0; number < 2; number++) {
        if (one)
            CHECK(create_file(paths[number], marks[number]));
        CHECK(create_inside(number, 1));
    }
    CHECK(restore(home));
    set_link(&batch, 1, 1, mark);
    veth(&batch, (struct end){2, "v1", -1}, (struct end){2, "v2", namespaces[1]}, 1, group, 0, ONE_QUEUE);
    set_link(&batch, 2, 0, wire);
    address(&batch, 2, inet_addr("10.0.0.1"), 24, 1);
    CHECK(exchange(0, &batch));
    if (one)
        CHECK(bind_name(namespaces[0], paths[0]));
    set_link(&batch, 1, 1, other_mark);
    set_link(&batch, 2, 1, wire);
    address(&batch, 2, inet_addr("10.0.0.2"), 24, 1);
    CHECK(exchange(1, &batch));
    if (one)
        CHECK(bind_name(namespaces[1], paths[1]));
    CHECK(activate(0, "v1"));
    CHECK(activate(1, "v2"));
    for (int number = 0; number < 2; number++) {
        TRY(close(sockets[number]));
        sockets[number] = -1;
        if (same_calls && one) { /* a lab identifies it by its inode, and keeps no descriptor of a named namespace */
            struct stat status;
            TRY(fstat(namespaces[number], &status));
            TRY(close(namespaces[number]));
            namespaces[number] = -1;
        }
    }
    return 0;
}

int bench_lab_down(const char *one, const char *other) {
    CHECK(bench_delete(1, other));
    return bench_delete(0, one);
}

/* The article's way, one step at a time: create the pair in the current namespace, then move both ends. */
int bench_moved_pair(int home_socket, const char *near, const char *far) {
    NEW_BATCH;
    sockets[home_socket] = TRY(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    veth(&batch, (struct end){0, near, -1}, (struct end){0, far, -1}, 0, 0, 0, 0);
    return exchange(home_socket, &batch);
}

int bench_move(int home_socket, const char *name, int into, const char *called) {
    NEW_BATCH;
    struct ifinfomsg *link = message(&batch, RTM_NEWLINK, 0, sizeof *link);
    text(&batch, IFLA_IFNAME, name);
    number4(&batch, IFLA_NET_NS_FD, namespaces[into]);
    finish(&batch);
    CHECK(exchange(home_socket, &batch));
    link = message(&batch, RTM_GETLINK, 0, sizeof *link);
    text(&batch, IFLA_IFNAME, name);
    finish(&batch);
    unsigned char answer[16384];
    TRY(send(sockets[into], batch.data, batch.size, 0));
    TRY(recv(sockets[into], answer, sizeof answer, 0));
    struct nlmsghdr *head = (void *)answer;
    if (head->nlmsg_type != RTM_NEWLINK)
        return -ENODEV;
    int index = ((struct ifinfomsg *)NLMSG_DATA(head))->ifi_index;
    batch.size = 0;
    batch.count = 0;
    if (strcmp(name, called)) { /* names in the current namespace contain the process id, because two benches may run at once */
        link = message(&batch, RTM_NEWLINK, 0, sizeof *link);
        link->ifi_index = index;
        text(&batch, IFLA_IFNAME, called);
        finish(&batch);
        CHECK(exchange(into, &batch));
    }
    return index;
}

int bench_home_close(int home_socket) {
    TRY(close(sockets[home_socket]));
    sockets[home_socket] = -1;
    return 0;
}

/* -- a star ---------------------------------------------------------------------------------------------------------
 * Namespace 0 holds the bridge, 1..n are the hosts.  `lab` is the lab's name, for the aliases. */

static struct {
    int flags;
    unsigned group;
    const char *lab, *mark, *bridge_mark;
} star;

static in_addr_t host_address(int number) { return htonl(0x0a090000 + (number / 250) * 256 + number % 250 + 1); }

static void wire_alias(char alias[256], int number) {
    snprintf(alias, 256, "rawns lab=%s br0:p%d=namespace %d:eth0", star.lab, number, number + 1);
}

static int create_host(int number) { return create_inside(number, 1); }

static int configure_host(int number) {
    char alias[256], port[16];
    NEW_BATCH;
    wire_alias(alias, number);
    snprintf(port, sizeof port, "p%d", number);
    set_link(&batch, 1, 1, star.mark);
    if (star.flags & BY_GROUP) /* the pair is created from this end, and its port is set up with all others by one message */
        veth(&batch, (struct end){2, "eth0", -1}, (struct end){2 + number, port, namespaces[0]}, 1, star.group, 0, star.flags);
    set_link(&batch, 2, !(star.flags & BY_GROUP), alias);
    address(&batch, 2, host_address(number - 1), 16, 1);
    return exchange(number, &batch);
}

/* Let the ends of the wires transmit, and then the bridge. */
static int activate_star(int hosts) {
    char port[16];
    for (int number = 1; number <= hosts; number++) {
        CHECK(activate(number, "eth0"));
        TRY(close(sockets[number]));
        sockets[number] = -1;
    }
    for (int number = 1; number <= hosts; number++) {
        snprintf(port, sizeof port, "p%d", number);
        CHECK(activate(0, port));
    }
    return activate(0, "br0");
}

static int create_bridge(void) {
    NEW_BATCH;
    struct ifinfomsg *link;
    set_link(&batch, 1, 1, star.bridge_mark);
    link = message(&batch, RTM_NEWLINK, NEW, sizeof *link);
    link->ifi_index = 2;
    text(&batch, IFLA_IFNAME, "br0");
    if (!(star.flags & BY_GROUP))
        number4(&batch, IFLA_GROUP, star.group);
    struct rtattr *info = put(&batch, IFLA_LINKINFO, NULL, 0);
    put(&batch, IFLA_INFO_KIND, "bridge", 6);
    end(&batch, info);
    finish(&batch);
    if (star.flags & BRIDGE_FIRST)
        set_link(&batch, 2, 1, NULL);
    return exchange(0, &batch);
}

static int create_ports(int hosts) {
    char alias[256], port[16];
    NEW_BATCH;
    for (int number = 1; number <= hosts; number++) {
        snprintf(port, sizeof port, "p%d", number);
        veth(&batch, (struct end){2 + number, port, -1}, (struct end){2, "eth0", namespaces[number]}, 1, star.group, 2, star.flags);
        if (batch.count == BATCH)
            CHECK(exchange(0, &batch));
    }
    for (int number = 1; number <= hosts; number++) {
        wire_alias(alias, number);
        if (batch.count == BATCH)
            CHECK(exchange(0, &batch));
        set_link(&batch, 2 + number, 0, alias);
    }
    return exchange(0, &batch);
}

/* One message for the whole group (rtnl_group_changelink); the bridge must not be in it yet. */
static int set_ports_up(void) {
    NEW_BATCH;
    struct ifinfomsg *link = message(&batch, RTM_NEWLINK, 0, sizeof *link);
    link->ifi_flags = link->ifi_change = IFF_UP;
    number4(&batch, IFLA_GROUP, star.group);
    number4(&batch, IFLA_MASTER, 2);
    finish(&batch);
    link = message(&batch, RTM_NEWLINK, 0, sizeof *link);
    link->ifi_index = 2;
    number4(&batch, IFLA_GROUP, star.group);
    finish(&batch);
    return exchange(0, &batch);
}

int bench_star_up(int hosts, int flags, const char *lab, const char *mark, const char *bridge_mark, unsigned group) {
    char alias[256];
    NEW_BATCH;
    if (hosts >= MAX_NAMESPACES)
        return -ENFILE;
    star.flags = flags;
    star.group = group;
    star.lab = lab;
    star.mark = mark;
    star.bridge_mark = bridge_mark;
    int home = CURRENT, threads = flags & TWO_THREADS ? 2 : 1;
    CHECK(create_inside(0, 1));
    if (flags & NO_IPV6) {
        int setting = TRY(open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY | O_CLOEXEC));
        TRY(write(setting, "1", 1));
        TRY(close(setting));
    }
    CHECK(divide(1, hosts + 1, threads, create_host));
    CHECK(restore(home));
    CHECK(create_bridge());
    if (!(flags & BY_GROUP))
        CHECK(create_ports(hosts));
    CHECK(divide(1, hosts + 1, threads, configure_host));
    if (flags & BY_GROUP)
        CHECK(set_ports_up());
    snprintf(alias, sizeof alias, "rawns lab=%s bridge", lab);
    set_link(&batch, 2, 1, alias);
    CHECK(exchange(0, &batch));
    return activate_star(hosts);
}

int bench_star_down(int hosts) {
    for (int number = 0; number <= hosts; number++)
        CHECK(bench_delete(number, NULL));
    return 0;
}

/* -- slots ----------------------------------------------------------------------------------------------------------
 * Namespaces 0..3 hold a bridge each, the others an interface that is joined to one of them, and a tap.  No link-local
 * IPv6 addresses: the kernel would flood their multicast over all ports. */

#define BRIDGES 4

static void no_link_local(struct batch *batch, int index) {
    unsigned char mode = IN6_ADDR_GEN_MODE_NONE;
    struct ifinfomsg *link = message(batch, RTM_NEWLINK, 0, sizeof *link);
    link->ifi_index = index;
    struct rtattr *spec = put(batch, IFLA_AF_SPEC, NULL, 0), *inet6 = put(batch, AF_INET6, NULL, 0);
    put(batch, IFLA_INET6_ADDR_GEN_MODE, &mode, 1);
    end(batch, inet6);
    end(batch, spec);
    finish(batch);
}

static int add_tap(const char *name) {
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    strcpy(request.ifr_name, name);
    int fd = TRY(open("/dev/net/tun", O_RDWR | O_CLOEXEC));
    int index = 3;
    TRY(ioctl(fd, TUNSETIFINDEX, &index));
    TRY(ioctl(fd, TUNSETIFF, &request));
    TRY(ioctl(fd, TUNSETPERSIST, 1));
    TRY(close(fd));
    return 0;
}

static int create_slot(int number) {
    CHECK(create_inside(number, 1));
    return add_tap("tap0");
}

static void slot_alias(char alias[256], int number) {
    snprintf(alias, 256, "rawns lab=%s br%d:p%d=namespace %d:eth0", star.lab, number % BRIDGES, number / BRIDGES, number + 1);
}

static int configure_slot(int number) {
    char alias[256], port[16];
    int slot = number - BRIDGES;
    NEW_BATCH;
    slot_alias(alias, number);
    snprintf(port, sizeof port, "p%d", number / BRIDGES);
    set_link(&batch, 1, 1, star.mark);
    veth(&batch, (struct end){2, "eth0", -1}, (struct end){2 + number / BRIDGES, port, namespaces[number % BRIDGES]}, 1,
         star.group, 0, ONE_QUEUE);
    no_link_local(&batch, 2);
    set_link(&batch, 2, 0, alias);
    no_link_local(&batch, 3);
    snprintf(alias, sizeof alias, "rawns lab=%s tun", star.lab);
    set_link(&batch, 3, 1, alias);
    number4(&batch, IFLA_GROUP, star.group);
    finish(&batch);
    address(&batch, 2, htonl(0x0a000000 + (slot % BRIDGES << 16) + (slot / BRIDGES / 250 << 8) + slot / BRIDGES % 250 + 1), 16, 1);
    return exchange(number, &batch);
}

static int join_slots(int bridge, int slots, const char *mark) {
    char alias[256], name[16];
    NEW_BATCH;
    snprintf(name, sizeof name, "br%d", bridge);
    set_link(&batch, 1, 1, mark);
    struct ifinfomsg *link = message(&batch, RTM_NEWLINK, NEW, sizeof *link);
    link->ifi_index = 2;
    text(&batch, IFLA_IFNAME, name);
    number4(&batch, IFLA_GROUP, star.group);
    struct rtattr *info = put(&batch, IFLA_LINKINFO, NULL, 0);
    put(&batch, IFLA_INFO_KIND, "bridge", 6);
    end(&batch, info);
    finish(&batch);
    for (int number = BRIDGES + bridge; number < BRIDGES + slots; number += BRIDGES) {
        if (batch.count + 2 >= BATCH)
            CHECK(exchange(bridge, &batch));
        slot_alias(alias, number);
        no_link_local(&batch, 2 + number / BRIDGES);
        set_link(&batch, 2 + number / BRIDGES, 1, alias);
        number4(&batch, IFLA_MASTER, 2);
        finish(&batch);
    }
    CHECK(exchange(bridge, &batch));
    no_link_local(&batch, 2);
    snprintf(alias, sizeof alias, "rawns lab=%s bridge", star.lab);
    set_link(&batch, 2, 1, alias);
    return exchange(bridge, &batch);
}

/* `bridge_mark` has %d in place of a bridge's number. */
int bench_slots_up(int slots, int threads, const char *lab, const char *mark, const char *bridge_mark, unsigned group) {
    char text[256], port[16];
    if (slots + BRIDGES >= MAX_NAMESPACES)
        return -ENFILE;
    star.group = group;
    star.lab = lab;
    star.mark = mark;
    int home = CURRENT;
    for (int bridge = 0; bridge < BRIDGES; bridge++)
        CHECK(create_inside(bridge, 1));
    CHECK(divide(BRIDGES, BRIDGES + slots, threads, create_slot));
    CHECK(restore(home));
    CHECK(divide(BRIDGES, BRIDGES + slots, threads, configure_slot));
    for (int bridge = 0; bridge < BRIDGES; bridge++) {
        snprintf(text, sizeof text, bridge_mark, bridge);
        CHECK(join_slots(bridge, slots, text));
    }
    for (int number = BRIDGES; number < BRIDGES + slots; number++) {
        CHECK(activate(number, "eth0"));
        TRY(close(sockets[number]));
        sockets[number] = -1;
    }
    for (int number = BRIDGES; number < BRIDGES + slots; number++) {
        snprintf(port, sizeof port, "p%d", number / BRIDGES);
        CHECK(activate(number % BRIDGES, port));
    }
    for (int bridge = 0; bridge < BRIDGES; bridge++) {
        snprintf(port, sizeof port, "br%d", bridge);
        CHECK(activate(bridge, port));
    }
    return 0;
}

int bench_slots_down(int slots) { return bench_star_down(slots + BRIDGES - 1); }

/* -- several at the same time, each on a thread of its own: a namespace, wired to another, with an address ------------ */

static pthread_barrier_t together;
static long together_spent[256];
static int together_hub;

static int create_wired(int number) {
    char port[16];
    struct timespec begin, end;
    NEW_BATCH;
    pthread_barrier_wait(&together);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    snprintf(port, sizeof port, "p%d", number);
    int home = CURRENT;
    CHECK(create_inside(number, 1));
    CHECK(restore(home));
    set_link(&batch, 1, 1, NULL);
    veth(&batch, (struct end){2, "eth0", -1}, (struct end){0, port, together_hub}, 1, 0, 0, ONE_QUEUE);
    address(&batch, 2, htonl(0x0a000000 + number + 1), 24, 0);
    CHECK(exchange(number, &batch));
    clock_gettime(CLOCK_MONOTONIC, &end);
    together_spent[number] = (end.tv_sec - begin.tv_sec) * 1000000000 + end.tv_nsec - begin.tv_nsec;
    return 0;
}

int bench_together(int count, int hub) {
    if (count > 256)
        return -E2BIG;
    together_hub = hub;
    pthread_barrier_init(&together, NULL, count);
    return divide(0, count, count, create_wired);
}

/* Nanoseconds, two seconds at most. */
int bench_together_spent(int number) { return together_spent[number] < 2000000000 ? together_spent[number] : 2000000000; }

/* -- a command inside ------------------------------------------------------------------------------------------------ */

static int mount_sys(const char *name) {
    TRY(unshare(CLONE_NEWNS));
    TRY(mount("", "/", "none", MS_SLAVE | MS_REC, NULL));
    unsigned long flags = umount2("/sys", MNT_DETACH) == -1 ? MS_RDONLY : 0;
    if (mount(name, "/sys", "sysfs", 0, NULL) == -1)
        TRY(mount(name, "/sys", "sysfs", flags, NULL));
    return 0;
}

int bench_exec(int number, const char *command, int mounts) {
    char *const argv[] = {(char *)command, NULL};
    char *const envp[] = {"PATH=/usr/bin:/bin", NULL};
    pid_t child = TRY(vfork());
    if (child == 0) {
        if (setns(namespaces[number], CLONE_NEWNET) == 0 && (!mounts || mount_sys("bench") == 0))
            execve(command, argv, envp);
        _exit(127);
    }
    int status;
    TRY(waitpid(child, &status, 0));
    return WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
}

/* -- the first packet ------------------------------------------------------------------------------------------------ */

int bench_ping(int number, const char *host) {
    struct {
        unsigned char type, code;
        unsigned short sum, id, sequence;
        unsigned char data[56];
    } echo = {.type = 8, .sequence = htons(1)};
    unsigned char answer[256];
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_addr.s_addr = inet_addr(host)};
    struct timeval timeout = {.tv_sec = 5};
    int home = CURRENT;
    TRY(setns(namespaces[number], CLONE_NEWNET));
    int made = TRY(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP));
    CHECK(restore(home));
    TRY(setsockopt(made, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout));
    echo.id = getpid();
    unsigned sum = 0;
    for (size_t at = 0; at < sizeof echo / 2; at++)
        sum += ((unsigned short *)&echo)[at];
    sum = (sum >> 16) + (sum & 0xffff);
    echo.sum = ~(sum + (sum >> 16));
    TRY(sendto(made, &echo, sizeof echo, 0, (void *)&there, sizeof there));
    do
        TRY(recv(made, answer, sizeof answer, 0));
    while (answer[20] != 0 || memcmp(answer + 24, &echo.id, 4)); /* until it is the echo reply to this request */
    TRY(close(made));
    return 0;
}

/* -- a chat's round trip: blocking sockets, one recv and one send for each line on either side -------------------------- */

static int listener = -1, client = -1, chat_server, chat_failed, chat_processor;
static pthread_t server;
static struct sockaddr_in chat_address;
static pthread_barrier_t listening;

static void pin(int processor) {
    cpu_set_t set;
    if (processor < 0)
        return;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    sched_setaffinity(0, sizeof set, &set);
}

static void *serve(void *unused) {
    char line[4096];
    int one = 1;
    (void)unused;
    pin(chat_processor);
    if (setns(namespaces[chat_server], CLONE_NEWNET) == 0)
        listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) ||
        bind(listener, (void *)&chat_address, sizeof chat_address) || listen(listener, 1))
        chat_failed = errno;
    pthread_barrier_wait(&listening);
    int host = chat_failed ? -1 : accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (host < 0)
        return NULL;
    setsockopt(host, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    for (;;) {
        ssize_t got = recv(host, line, sizeof line, 0);
        if (got <= 0 || send(host, line, got, MSG_NOSIGNAL) != got)
            break;
    }
    close(host);
    return NULL;
}

int bench_chat_serve(int number, const char *host, int port, int processor) {
    chat_failed = 0;
    chat_server = number;
    chat_processor = processor;
    chat_address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = inet_addr(host)};
    pthread_barrier_init(&listening, NULL, 2);
    if (pthread_create(&server, NULL, serve, NULL))
        return -EAGAIN;
    pthread_barrier_wait(&listening);
    if (chat_failed)
        pthread_join(server, NULL);
    return -chat_failed;
}

int bench_chat_connect(int number) {
    int one = 1, home = CURRENT;
    TRY(setns(namespaces[number], CLONE_NEWNET));
    client = TRY(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    CHECK(restore(home));
    TRY(connect(client, (void *)&chat_address, sizeof chat_address));
    TRY(setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one));
    return 0;
}

int bench_chat_rounds(int rounds, int size) {
    char line[256], back[256];
    memset(line, 'x', sizeof line);
    line[size - 1] = '\n';
    for (int turn = 0; turn < rounds; turn++) {
        TRY(send(client, line, size, MSG_NOSIGNAL));
        for (int got = 0; got < size;) {
            int more = TRY(recv(client, back + got, sizeof back - got, 0));
            if (more == 0)
                return -ECONNRESET;
            got += more;
        }
    }
    return 0;
}

int bench_chat_close(void) {
    close(client);
    pthread_join(server, NULL);
    close(listener);
    client = listener = -1;
    return 0;
}
