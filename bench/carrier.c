/* How long it takes from setting a link down until the other end's namespace reports that the carrier is gone:
 *
 *     carrier NEAR-NAMESPACE FAR-NAMESPACE LINK ROUNDS
 *
 * The namespaces are paths.  One line of nanoseconds for each round is written.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/if.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

unsigned if_nametoindex(const char *name);

static int open_inside(const char *path, unsigned groups)
{
	struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = groups};
	int ns = open(path, O_RDONLY | O_CLOEXEC), fd;

	if (ns < 0 || setns(ns, CLONE_NEWNET) < 0 || (fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)) < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof address) < 0) {
		perror(path);
		exit(1);
	}
	close(ns);
	return fd;
}

/* Set a link up or down, without waiting for the acknowledgement. */
static void set(int fd, unsigned index, unsigned flags)
{
	struct {
		struct nlmsghdr header;
		struct ifinfomsg link;
	} request = {
		.header = {sizeof request, RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, 1, 0},
		.link = {.ifi_index = (int)index, .ifi_flags = flags, .ifi_change = IFF_UP},
	};
	if (send(fd, &request, sizeof request, 0) < 0) {
		perror("send");
		exit(1);
	}
}

static void await_acknowledgement(int fd)
{
	char buffer[4096];
	struct nlmsgerr *error = NLMSG_DATA((struct nlmsghdr *)buffer);

	if (recv(fd, buffer, sizeof buffer, 0) < 0 || ((struct nlmsghdr *)buffer)->nlmsg_type != NLMSG_ERROR || error->error) {
		fprintf(stderr, "the kernel refuses\n");
		exit(1);
	}
}

/* Wait for an event that says that the link has a carrier, or none. */
static void await_carrier(int fd, int carrier)
{
	static char buffer[65536];

	for (;;) {
		ssize_t size = recv(fd, buffer, sizeof buffer, 0);
		struct nlmsghdr *one = (struct nlmsghdr *)buffer;

		if (size < 0) {
			perror("recv");
			exit(1);
		}
		for (; NLMSG_OK(one, size); one = NLMSG_NEXT(one, size)) {
			struct ifinfomsg *link = NLMSG_DATA(one);
			if (one->nlmsg_type == RTM_NEWLINK && !(link->ifi_flags & IFF_LOOPBACK) &&
			    !!(link->ifi_flags & IFF_LOWER_UP) == carrier)
				return;
		}
	}
}

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int main(int argc, char **argv)
{
	int far, near, rounds;
	unsigned index;

	if (argc != 5)
		return 2;
	far = open_inside(argv[2], RTMGRP_LINK);
	near = open_inside(argv[1], 0);
	index = if_nametoindex(argv[3]);
	for (rounds = atoi(argv[4]); rounds > 0; rounds--) {
		long long start = now();
		set(near, index, 0);
		await_carrier(far, 0);
		printf("%lld\n", now() - start);
		await_acknowledgement(near);
		set(near, index, IFF_UP);
		await_carrier(far, 1);
		await_acknowledgement(near);
	}
	return 0;
}
